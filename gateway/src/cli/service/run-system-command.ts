/** Runs systemctl and launchctl, with a deadline; the output is used only when the command fails. */
import { execFile } from 'node:child_process'
import type { CommandLine } from './service-kind.ts'

/** undefined on success, else what went wrong. */
export type RunSystemCommand = (
  command: CommandLine,
  env: Readonly<Record<string, string | undefined>>,
) => Promise<string | undefined>

/** Stopping the daemon may take half a minute. */
const TIMEOUT_MS = 45_000

export const runSystemCommand: RunSystemCommand = ([program, ...args], env) =>
  new Promise((resolve) => {
    execFile(program, args, { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(undefined)
      else if (error.code === 'ENOENT') resolve(`there is no ${program} here`)
      else if (error.killed === true) resolve(`${program} took longer than ${TIMEOUT_MS / 1000} s`)
      else {
        const said = `${stderr}\n${stdout}`.trim().split('\n', 1)[0]
        resolve(said === undefined || said === '' ? `it ended with ${String(error.code)}` : said)
      }
    })
  })
