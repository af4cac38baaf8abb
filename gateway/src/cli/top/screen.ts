/** One snapshot as lines of a terminal, the most important first. Pure. Foreign text is shown without control characters. */
import type { PublicationsSection, Snapshot, Source, SwarmPeer } from '../../dashboard/snapshot.ts'
import { formatBytes, formatMs, formatTable, plural } from '../shell/format.ts'

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

const SOURCES: readonly (readonly [Source, string])[] = [
  ['store', 'store'],
  ['peer', 'peers'],
  ['origin', 'registry'],
]
const MAX_PEERS = 8

/** @param nowMs since 1970 */
export function screenLines(snapshot: Snapshot, size: ScreenSize, nowMs: number): string[] {
  const { totals, problems, store, publications, guard } = snapshot
  const lines = [
    `catalog, up ${formatMs(Math.max(0, nowMs - totals.sinceMs))}; ${totals.upstream ?? 'peers only'}`,
    ...problems.map(({ text, next }) => `PROBLEM ${text} -> ${next}`),
    '',
    ...sourceLines(snapshot, nowMs),
    '',
    `store    ${plural(store.artifacts, 'artifact')}, ${formatBytes(store.bytes)} of ${formatBytes(store.quotaBytes)}`,
    `given    ${plural(totals.uploaded.artifacts, 'artifact')}, ${formatBytes(totals.uploaded.bytes)} to peers`,
    ...publishedLine(publications),
    ...(guard.refused > 0 ? [`guard    ${plural(guard.refused, 'version')} refused`] : []),
    '',
    ...peerLines(snapshot),
    '',
    ...installLines(snapshot),
  ]
  return lines.slice(0, size.rows).map((line) => shown(line, size.columns))
}

function publishedLine({ packages, short, wanted }: PublicationsSection): string[] {
  if (packages === 0) return []
  const missing = short > 0 ? `, ${short} kept by fewer than ${plural(wanted, 'machine')}` : ''
  return [`published  ${plural(packages, 'package')}${missing}`]
}

function sourceLines({ totals, traffic }: Snapshot, nowMs: number): string[] {
  const { bucketMs, lastBucket, bytes } = traffic
  // The bucket that is not over says too little, so the one before it counts.
  const at = Math.floor(nowMs / bucketMs) - 1 - lastBucket
  const columns = [
    { title: 'FROM' },
    ...['ARTIFACTS', 'BYTES', 'A SECOND'].map((title) => ({ title, align: 'right' as const })),
  ]
  const rows = SOURCES.map(([source, name]) => {
    const { artifacts, bytes: all } = totals.tarballs[source]
    const recent = at > 0 ? 0 : (bytes[source].at(at - 1) ?? 0)
    const rate = formatBytes((recent * 1000) / bucketMs)
    return [name, String(artifacts), formatBytes(all), rate]
  })
  return formatTable(columns, rows)
}

function peerLines({ swarm }: Snapshot): string[] {
  const { count, banned, fleet, peers } = swarm
  const title =
    `peers    ${count} connected${banned > 0 ? `, ${banned} banned` : ''}` +
    (fleet.members > 0 ? `, a fleet with ${fleet.members}` : '')
  if (peers === null || peers.length === 0) return [title]
  const columns = [
    ...[{ title: 'PEER' }, { title: 'WHERE' }],
    ...['ANSWERS IN', 'GOT', 'GAVE'].map((name) => ({ title: name, align: 'right' as const })),
  ]
  return [title, ...formatTable(columns, peers.slice(0, MAX_PEERS).map(peerCells))]
}

function peerCells({ id, tier, rttMs, gotBytes, gaveBytes }: SwarmPeer): string[] {
  const rtt = rttMs === null ? '-' : formatMs(rttMs)
  return [id.slice(-8), tier, rtt, formatBytes(gotBytes), formatBytes(gaveBytes)]
}

/** The requests that run, else those that took longest. */
function installLines({ install }: Snapshot): string[] {
  if (install === null) return ['install  none yet']
  const { client, tookMs, tarballs, tarballRequests, metadataRequests, running, failed } = install
  const parts = SOURCES.map(([source, name]) => `${tarballs[source].artifacts} from ${name}`)
  const state = tookMs === null ? `runs, ${running} under way` : `took ${formatMs(tookMs)}`
  const title =
    `install  ${client ?? 'a client'} ${state}: ${plural(tarballRequests, 'package')}, ${metadataRequests} of metadata; ` +
    `${parts.join(', ')}${failed > 0 ? `, ${failed} failed` : ''}`
  const rows = install.rows ?? []
  const under = rows.filter(({ outcome }) => outcome === 'running')
  const chosen = under.length > 0 ? under : rows.toSorted((a, b) => (b.total ?? 0) - (a.total ?? 0))
  return [
    title,
    ...chosen.map(({ name, version, total, source, outcome }) => {
      const time = total === null ? '' : formatMs(total)
      const what = [name ?? 'a private package', version].filter((part) => part !== null).join('@')
      const from = SOURCES.find(([each]) => each === source)?.[1] ?? outcome
      return `  ${time.padStart(8)}  ${from.padEnd(8)}  ${what}`
    }),
  ]
}

function shown(line: string, columns: number): string {
  return line.replace(/\p{C}/gu, '?').slice(0, columns)
}
