/**
 * `catalog top`: the dashboard's live events on a terminal, on the alternate screen, which is left as it was found. Where there is no
 * terminal: one snapshot. Asks the daemon for nothing that the dashboard does not.
 */
import type { IncomingMessage } from 'node:http'
import { refusal, send } from '../../admin/daemon-request.ts'
import type { Snapshot } from '../../dashboard/snapshot.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'
import { listenToKeys, screenRows } from '../shell/terminal.ts'
import { readSnapshots } from './read-snapshots.ts'
import { screenLines } from './screen.ts'

/** The daemon says something four times within this. */
const SILENCE_MS = 60_000
const WHOLE = 200
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const CTRL_C = '\u0003'

export async function topCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { url, info } = await requireDaemon(config)
  const leave = new AbortController()
  const signal = AbortSignal.any([invocation.signal, leave.signal])
  const token = info === undefined ? {} : { token: info.token }
  const question = { url, path: 'events', signal, silenceMs: SILENCE_MS, ...token }
  const response = await send(question)
  if (response.statusCode !== 200) throw await refusal(question, response)
  if (config.json || !terminal.isInteractive) {
    try {
      for await (const snapshot of snapshotsOf(response)) {
        if (config.json) terminal.print(JSON.stringify(snapshot))
        else for (const line of lines(snapshot, WHOLE, WHOLE)) terminal.print(line)
        return EXIT.ok
      }
      return EXIT.notRunning
    } finally {
      response.destroy()
    }
  }
  return watch(invocation, response, leave)
}

async function watch(
  { terminal, signal }: Invocation,
  response: IncomingMessage,
  leave: AbortController,
): Promise<number> {
  const release = listenToKeys((key) => {
    if (key === 'q' || key === CTRL_C) leave.abort(new Error('left'))
  })
  terminal.print(ENTER)
  try {
    for await (const snapshot of snapshotsOf(response)) {
      const rows = lines(snapshot, terminal.columns, screenRows() - 2)
      const text = rows.map((line) => `${line}\u001b[K`).join('\n')
      terminal.print(`\u001b[H${text}\u001b[J`)
    }
  } catch (error) {
    if (signal.aborted || !leave.signal.aborted) throw error
  } finally {
    release()
    response.destroy()
    terminal.print(LEAVE)
  }
  if (leave.signal.aborted) return EXIT.ok
  terminal.note('the daemon has ended')
  return EXIT.notRunning
}

function snapshotsOf(response: IncomingMessage): AsyncIterable<Snapshot> {
  return readSnapshots(response.setEncoding('utf8') as AsyncIterable<string>)
}

function lines(snapshot: Snapshot, columns: number, rows: number): string[] {
  return screenLines(snapshot, { columns, rows }, Date.now())
}
