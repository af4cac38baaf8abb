/** `catalog explain`: what the running daemon has counted of the last install, in words. Adds nothing to it. */
import type { Explanation } from '../../activity/explanation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatMs, formatTable, plural } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

export async function explainCommand(invocation: Invocation): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const explanation = await daemon.explain({ signal })
  if (config.json) terminal.print(JSON.stringify({ explanation }))
  else if (explanation === null) {
    terminal.print('no client has asked for anything since the daemon began')
    terminal.note(terminal.paintNote('dim', `npm ci --registry ${daemon.url}`))
  } else {
    for (const line of explanationLines(explanation)) terminal.print(line)
  }
  return EXIT.ok
}

/** Pure. */
export function explanationLines(explanation: Explanation): string[] {
  const { client, startedMs, tookMs, requests, counted, mostAtOnce } = explanation
  const { shares, findings, slowest, next } = explanation
  const left = counted < requests ? `, of which the last ${counted} are counted here` : ''
  const time = new Date(startedMs).toTimeString().slice(0, 8)
  const title =
    `${client ?? 'a client'} at ${time}: ${formatMs(tookMs)} for ${plural(requests, 'request')}` +
    `${left}, at most ${mostAtOnce} at once`
  return [
    title,
    ...section(
      'where the time went',
      rows(shares.map(({ ms, text }) => [formatMs(ms), percent(ms, tookMs), text])),
    ),
    ...section('counted', findings),
    ...section(
      'the longest',
      rows(
        slowest.map(({ name, version, ms, text }) => {
          const shown =
            name === null ? 'a private package' : [name, version].filter(Boolean).join('@')
          return [formatMs(ms), '', `${shown}: ${text}`]
        }),
      ),
    ),
    ...section('for the next one', next.length > 0 ? next : ['nothing that was counted here']),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}

function rows(cells: readonly (readonly string[])[]): string[] {
  const columns = [
    { title: '', align: 'right' },
    { title: '', align: 'right' },
    { title: '' },
  ] as const
  return formatTable(columns, cells).slice(1)
}

function percent(ms: number, tookMs: number): string {
  return tookMs > 0 ? `${Math.round((100 * ms) / tookMs)} %` : ''
}
