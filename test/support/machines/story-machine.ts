/**
 * A machine on which the lines of a page are typed: a network namespace, an empty home, the packed `catalog` and real package
 * managers on its PATH, and nothing else of ours. What a page leaves in a terminal of its own (`catalog start`) runs until `stop`.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { execute, isolatedEnvironment, type ClientResult, type Workspace } from '../client.ts'
import { clientCommand, findClient, type ClientName } from '../clients.ts'
import { eventually, startDaemon, type Daemon } from '../daemon.ts'
import type { Machine } from './namespaces.ts'
import { installedGateway, programIn } from '../packed-catalog.ts'

const LINE_TIMEOUT_MS = 60_000
const FIND_TIMEOUT_MS = 60_000
const GATEWAY_PORT = 4874
const ON_PATH: Readonly<Record<string, ClientName>> = { npm: 'npm-12', pnpm: 'pnpm-12' }

export interface Typing {
  readonly cwd?: string
  /** What stands for a word that is to be replaced. */
  readonly words?: Readonly<Record<string, string>>
  /** What is pasted where a line reads it. */
  readonly paste?: string
  /** Arguments that a page does not have: of `catalog start`. */
  readonly startWith?: readonly string[]
}

export interface StoryMachine extends AsyncDisposable {
  readonly place: Machine
  readonly home: string
  /** Types the lines one after the other; all that they print. @throws with it when one of them fails */
  type(lines: string, typing?: Typing): Promise<string>
  /** The same for one line that must fail. */
  fails(line: string, typing?: Typing): Promise<string>
  /** The daemon that `catalog start` has started. */
  daemon(): Daemon
  /** Waits until it is connected to another one. */
  meets(other: StoryMachine): Promise<void>
  /** It is switched off; `catalog start` switches it on again. */
  stop(): Promise<void>
}

export async function storyMachine(place: Machine, workspace: Workspace): Promise<StoryMachine> {
  const home = await workspace.folder(`home-${place.name}`)
  const bin = await workspace.folder(`bin-${place.name}`)
  const catalog = [process.execPath, await programIn(await installedGateway())]
  await addProgram(bin, 'catalog', catalog)
  for (const [name, client] of Object.entries(ON_PATH)) {
    await addProgram(bin, name, clientCommand(findClient(client)))
  }
  await mkdir(join(home, 'tmp'))
  const isolated = isolatedEnvironment(home)
  const env = { ...isolated, PATH: [bin, isolated.PATH].join(delimiter) }
  let daemon: Daemon | undefined

  const run = async (line: string, { cwd = home, paste }: Typing): Promise<ClientResult> => {
    const whole = paste === undefined ? line : `${line} <<< '${paste}'`
    const [program, ...args] = [...place.prefix, 'bash', '-euo', 'pipefail', '-c', whole] as const
    return await execute(program, args, { cwd, env, timeoutMs: LINE_TIMEOUT_MS })
  }
  const typeLine = async (line: string, typing: Typing): Promise<string> => {
    if (line.startsWith('catalog start')) {
      const args = [...line.split(/\s+/).slice(2), ...(typing.startWith ?? [])]
      daemon ??= await startDaemon({ args, home, port: GATEWAY_PORT, place, catalog })
      return ''
    }
    const { exitCode, output } = await run(line, typing)
    if (exitCode !== 0) throw new Error(`${place.name}$ ${line}\n${output}\n${tailOf(daemon)}`)
    return output
  }
  const running = (): Daemon => {
    if (daemon === undefined) throw new Error(`${place.name} is switched off`)
    return daemon
  }
  const stop = async (): Promise<void> => {
    await daemon?.stop()
    daemon = undefined
  }

  return {
    ...{ place, home, stop },
    async type(lines, typing = {}) {
      let printed = ''
      for (const line of linesOf(lines, typing.words)) printed += await typeLine(line, typing)
      return printed
    },
    async fails(line, typing = {}) {
      const [only = ''] = linesOf(line, typing.words)
      const { exitCode, output } = await run(only, typing)
      if (exitCode === 0) throw new Error(`${place.name}$ ${only}\nhas not failed:\n${output}`)
      return output
    },
    daemon: running,
    async meets(other) {
      const { id } = (await other.daemon().status()).node
      await eventually(async () => {
        const peers = await running().peers()
        if (!peers.some(({ peer }) => peer === id)) throw new Error(`${place.name} is alone`)
      }, FIND_TIMEOUT_MS)
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** Without comments, and with what stands for the words that are to be replaced. */
function linesOf(text: string, words: Readonly<Record<string, string>> = {}): string[] {
  const lines = text.split('\n').map((line) => line.replace(/(?:^|\s+)# .*$/, '').trim())
  const filled = (line: string): string =>
    Object.entries(words).reduce((all, [word, value]) => all.replaceAll(word, value), line)
  return lines.filter((line) => line !== '').map(filled)
}

const tailOf = (daemon: Daemon | undefined): string =>
  daemon === undefined ? 'no daemon' : `the daemon has said:\n${daemon.output().slice(-3000)}`

async function addProgram(bin: string, name: string, command: readonly string[]): Promise<void> {
  const path = join(bin, name)
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  await writeFile(path, `#!/bin/sh\nexec ${quoted} "$@"\n`)
  await chmod(path, 0o755)
}
