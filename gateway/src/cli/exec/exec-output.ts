/**
 * Where `catalog exec` writes: standard error for people (standard output is the command's), a file or a line of JSON for
 * programs, the job summary of GitHub Actions. Nothing here can fail the command.
 */
import { appendFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { replaceFile } from '../../replace-file.ts'
import { formatBytes, formatMs } from '../shell/format.ts'
import type { Terminal } from '../shell/terminal.ts'
import { reportLines, reportMarkdown, type ExecReport } from './exec-report.ts'

export interface ExecOutput {
  warn(text: string): void
  /** For people; nothing with --quiet. */
  note(text: string): void
  /** The command has ended. */
  summarize(report: ExecReport): Promise<void>
  seeding(ms: number): void
  /** Seeding has ended, too. */
  finish(report: ExecReport): Promise<void>
}

export interface ExecOutputOptions {
  readonly quiet: boolean
  readonly json: boolean
  /** File for the report. */
  readonly report: string | undefined
}

export function createExecOutput(terminal: Terminal, options: ExecOutputOptions): ExecOutput {
  const { quiet, json, report: file } = options
  const forPeople = !quiet && !json
  const note = (text: string): void => {
    terminal.note(`${terminal.paintNote('cyan', 'catalog:')} ${text}`)
  }
  const warn = (text: string): void => {
    terminal.note(`${terminal.paintNote('yellow', 'catalog: warning:')} ${text}`)
  }
  let summarized: ExecReport | undefined
  return {
    warn,
    note: (text) => {
      if (forPeople) note(text)
    },
    async summarize(report) {
      summarized = report
      // Without a gateway there is nothing to add to the warning.
      if (forPeople && report.sources !== undefined)
        for (const line of reportLines(report)) note(line)
      const page = terminal.env.GITHUB_STEP_SUMMARY
      if (page === undefined || page === '') return
      await appendFile(page, reportMarkdown(report)).catch((error: unknown) => {
        warn(`no job summary: ${String(error)}`)
      })
    },
    seeding(ms) {
      if (forPeople) note(`seeding for ${formatMs(ms)}; Ctrl-C ends it`)
    },
    async finish(report) {
      const { uploaded, seededMs = 0 } = report
      const before = summarized?.uploaded?.bytes ?? 0
      if (forPeople && seededMs > 0 && uploaded !== undefined) {
        note(
          `seeded for ${formatMs(seededMs)}: ${formatBytes(uploaded.bytes - before)} given to peers`,
        )
      }
      if (json) terminal.note(JSON.stringify(report))
      if (file === undefined) return
      const bytes = Buffer.from(`${JSON.stringify(report, null, 2)}\n`)
      const path = resolve(terminal.cwd, file)
      await replaceFile(path, bytes, { mode: 0o644, keepMode: true }).catch((error: unknown) => {
        warn(`no report: ${String(error)}`)
      })
    },
  }
}
