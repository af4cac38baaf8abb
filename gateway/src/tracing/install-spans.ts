/** An install as a trace: one span for all of it, and beneath it one for each request of its client. Pure. */
import { spendTime } from '../activity/time-shares.ts'
import type { Install } from '../activity/install-log.ts'
import type { Visit } from '../activity/visit.ts'
import {
  INTERNAL,
  SERVER,
  attributesOf,
  errorStatus,
  unixNano,
  type Span,
  type Value,
} from './otlp-span.ts'

export interface TraceIds {
  /** 16 bytes in hex. */
  readonly traceId: string
  /** Of the span of the install; 8 bytes in hex. */
  readonly rootId: string
}

/** @param visits those of the install that are still known */
export function installSpan(
  install: Install,
  { traceId, rootId }: TraceIds,
  visits: readonly Visit[],
): Span {
  const { client, startedMs, lastMs, tarballs, tarballRequests, metadataRequests } = install
  const { denied, failed } = install
  const { byCause } = spendTime(visits, { fromMs: startedMs, toMs: lastMs })
  const spent = [...byCause].map(([cause, { ms }]): [string, Value] => [
    `catalog.time.${cause.replaceAll('-', '_')}_ms`,
    tenths(ms),
  ])
  const came = Object.entries(tarballs).flatMap(([source, { artifacts, bytes }]) => [
    [`catalog.tarballs.${source}`, artifacts] as const,
    [`catalog.bytes.${source}`, bytes] as const,
  ])
  return {
    // Without a tarball it was a question: npm view, npm outdated.
    ...{
      traceId,
      spanId: rootId,
      name: tarballRequests > 0 ? 'install' : 'lookup',
      kind: INTERNAL,
    },
    startTimeUnixNano: unixNano(startedMs),
    endTimeUnixNano: unixNano(lastMs),
    attributes: attributesOf({
      'catalog.client': client,
      'catalog.requests.tarball': tarballRequests,
      'catalog.requests.metadata': metadataRequests,
      'catalog.requests.denied': denied,
      'catalog.requests.failed': failed,
      ...Object.fromEntries(came),
      ...Object.fromEntries(spent),
    }),
    ...(failed + denied > 0 && {
      status: errorStatus(`${failed} requests failed, ${denied} were denied`),
    }),
  }
}

export function visitSpan(visit: Visit, { traceId, rootId }: TraceIds, spanId: string): Span {
  const { kind, name, version, startedMs, locatedMs, firstMs, outcome, code } = visit
  const endMs = visit.endMs ?? performance.now()
  const isBad = outcome === 'failed' || outcome === 'denied'
  const moments = [
    ['located', locatedMs],
    ['first bytes', firstMs],
  ] as const
  return {
    ...{ traceId, spanId, parentSpanId: rootId, kind: SERVER },
    name: version === undefined ? `${kind} ${name}` : `${kind} ${name}@${version}`,
    startTimeUnixNano: unixNano(startedMs),
    endTimeUnixNano: unixNano(endMs),
    attributes: attributesOf(factsOf(visit, endMs)),
    events: moments.flatMap(([event, ms]) =>
      ms === undefined ? [] : [{ timeUnixNano: unixNano(ms), name: event }],
    ),
    ...(isBad && { status: errorStatus(code ?? outcome) }),
  }
}

function factsOf(visit: Visit, endMs: number): Record<string, Value | undefined> {
  const { kind, name, version, startedMs, firstMs, bytes, source, isAhead, isPublic } = visit
  const { course, outcome, code } = visit
  return {
    'catalog.kind': kind,
    'catalog.package.name': name,
    'catalog.package.version': version,
    'catalog.package.public': isPublic,
    'catalog.outcome': outcome,
    'catalog.source': source,
    'catalog.ahead': isAhead,
    'catalog.wait_ms': tenths((firstMs ?? endMs) - startedMs),
    'catalog.bytes': bytes,
    'catalog.peers.asked': course?.asked,
    'catalog.peers.late': course?.late,
    'catalog.peers.failed': course?.failed,
    'catalog.peers.givers': course?.givers,
    'catalog.origin.after_ms':
      course?.originAfterMs === undefined ? undefined : tenths(course.originAfterMs),
    'error.type': code,
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
