/**
 * Where the time of an install went: at each moment it is divided by what was being waited for then, and belongs to the client
 * when nothing was. So the parts are the whole, however much happened at once. Pure.
 */
import type { Cause } from './explanation.ts'
import type { Visit } from './visit.ts'

export interface Spent {
  readonly ms: number
  readonly requests: number
}

interface Span {
  readonly visit: Visit
  readonly cause: Cause
  readonly fromMs: number
  readonly toMs: number
}

export interface SpentTime {
  readonly byCause: ReadonlyMap<Cause, Spent>
  readonly mostAtOnce: number
}

/** @param window of the install; what is outside of it is left out */
export function spendTime(
  visits: readonly Visit[],
  window: { readonly fromMs: number; readonly toMs: number },
): SpentTime {
  const spans = visits.flatMap((visit) => spansOf(visit, window.toMs))
  const edges = spans.flatMap((span) => [
    { atMs: span.fromMs, change: 1, cause: span.cause },
    { atMs: span.toMs, change: -1, cause: span.cause },
  ])
  edges.sort((a, b) => a.atMs - b.atMs || a.change - b.change)
  const ms = new Map<Cause, number>()
  const open = new Map<Cause, number>()
  let [total, mostAtOnce, atMs] = [0, 0, window.fromMs]
  const pass = (toMs: number): void => {
    const passed = Math.max(0, Math.min(toMs, window.toMs) - atMs)
    if (passed === 0) return
    if (total === 0) ms.set('client', (ms.get('client') ?? 0) + passed)
    for (const [cause, count] of open) {
      if (count > 0) ms.set(cause, (ms.get(cause) ?? 0) + (passed * count) / total)
    }
    atMs += passed
  }
  for (const { atMs: edgeMs, change, cause } of edges) {
    pass(edgeMs)
    open.set(cause, (open.get(cause) ?? 0) + change)
    total += change
    mostAtOnce = Math.max(mostAtOnce, total)
  }
  pass(window.toMs)
  const visitsOf = new Map<Cause, Set<Visit>>()
  for (const { cause, visit } of spans) {
    visitsOf.set(cause, (visitsOf.get(cause) ?? new Set<Visit>()).add(visit))
  }
  const spent = [...ms].map(([cause, each]): [Cause, Spent] => [
    cause,
    { ms: each, requests: visitsOf.get(cause)?.size ?? 0 },
  ])
  return { byCause: new Map(spent), mostAtOnce }
}

/** One after another, from the beginning of the request to its end. */
function spansOf(visit: Visit, nowMs: number): Span[] {
  const { startedMs, locatedMs, firstMs } = visit
  const endMs = visit.endMs ?? nowMs
  const span = (cause: Cause, fromMs: number, toMs: number): Span[] =>
    toMs > fromMs ? [{ visit, cause, fromMs, toMs }] : []
  if (!['done', 'unchanged', 'running'].includes(visit.outcome))
    return span('nothing', startedMs, endMs)
  if (visit.kind === 'metadata') return span(metadataCause(visit), startedMs, endMs)
  const first = firstMs ?? endMs
  const [wait, bytes] = tarballCauses(visit)
  // Asked for by its name: what bytes it must have, and the bytes, came in one answer.
  const isNamed = visit.source === 'peer' && visit.course === undefined && !visit.isAhead
  const located = isNamed ? startedMs : (locatedMs ?? first)
  return [
    ...span('finding', startedMs, located),
    ...span(wait, located, first),
    ...span(bytes, first, endMs),
  ]
}

function metadataCause({ source }: Visit): Cause {
  if (source === undefined) return 'unanswered'
  if (source === 'peer') return 'metadata-peers'
  return source === 'store' ? 'metadata-here' : 'metadata-registry'
}

function tarballCauses({ source, isAhead }: Visit): [wait: Cause, bytes: Cause] {
  if (isAhead) return ['here', 'here']
  if (source === 'origin') return ['registry-wait', 'registry-bytes']
  if (source === 'peer') return ['peers-wait', 'peers-bytes']
  return source === 'store' ? ['here', 'here'] : ['unanswered', 'unanswered']
}
