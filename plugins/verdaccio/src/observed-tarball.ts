/**
 * Opens a verified tarball, and counts and logs how its download ends. Never changes its bytes or its errors.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import type { Source, TarballRequest } from './tarball-request.ts'
import type { Tarball } from './tarball-stream.ts'
import { IntegrityError, openVerified, type VerifiedTarball } from './verified-tarball.ts'

export interface ObserverDependencies {
  readonly counters: Counters
  readonly log: Logger
}

/** @throws as openVerified does, and so does reading the body */
export async function openObserved(
  deps: ObserverDependencies,
  request: TarballRequest,
  options: { readonly sources: readonly Source[]; readonly signal: AbortSignal },
): Promise<Tarball> {
  const { counters, log } = deps
  const { sources, signal } = options
  const onFallback = (source: Source, error: unknown): void => {
    counters.fallbacks += 1
    log.warn('tarball.fallback', { package: request.label, failed: source.name, error })
  }
  try {
    const tarball = await openVerified(request, sources, { signal, onFallback })
    return { size: tarball.size, body: observed(deps, request, tarball) }
  } catch (error) {
    if (!signal.aborted) recordFailure(deps, request, error)
    throw error
  }
}

async function* observed(
  deps: ObserverDependencies,
  request: TarballRequest,
  tarball: VerifiedTarball,
): AsyncGenerator<Uint8Array> {
  const startedMs = performance.now()
  let bytes = 0
  try {
    for await (const chunk of tarball.body) {
      bytes += chunk.byteLength
      yield chunk
    }
  } catch (error) {
    recordFailure(deps, request, error)
    throw error
  }
  const from = tarball.from()
  const counts = deps.counters.tarballs[from]
  counts.artifacts += 1
  counts.bytes += bytes
  const ms = Math.round(performance.now() - startedMs)
  deps.log.debug('tarball.done', { package: request.label, from, bytes, ms })
}

function recordFailure(
  { counters, log }: ObserverDependencies,
  request: TarballRequest,
  error: unknown,
): void {
  counters.failures += 1
  if (!(error instanceof IntegrityError)) return
  counters.integrityFailures[error.from] += 1
  log.error('tarball.integrity', {
    package: request.label,
    file: request.filename,
    from: error.from,
    expected: request.expected.algorithm,
    next: 'its metadata and its bytes disagree: look at the uplink before installing it',
  })
}
