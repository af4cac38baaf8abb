/**
 * The origin (the HTTP registry) as a source. It stays in the race until an artifact has been verified, whatever its source.
 * Its bytes are read as they arrive unless peers are ahead. While peers are clearly ahead it is stopped, at most once, and
 * started again when they do not keep the pace that they had. So it is when a delegate that was late, and may have been no more
 * than busy, is at it after all: two copies through one line would make both slower.
 */
import type { Origin } from '../../api.ts'
import { isCatalogError } from '../../errors.ts'
import type { Assembly } from '../chunks/assembly.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import type { Attempt } from './hedge.ts'
import { feedAssembly, openOrigin, type OriginStream } from './origin-stream.ts'
import { remainingMs } from './pace.ts'
import type { Found } from './found.ts'
import type { Race } from './source.ts'

/** A slow origin is given this long before the others are asked as well. */
const SEARCH_AFTER_MS = 500
/** Of its body, before it is compared with what peers claim. */
const COMPARE_AFTER_MS = 500
const POLL_MS = 50
/** Peers are clearly ahead when they need this part of the time that the origin needs. */
const CLEARLY_AHEAD = 0.5

export function originSource(race: Race, origin: Origin, deps: TransferDeps): Attempt<Found> {
  const running: { stream: RunningStream | undefined } = { stream: undefined }
  let seenShare = 0

  return {
    hedgeMs: SEARCH_AFTER_MS,
    isProgressing() {
      const share = running.stream?.assembly.share ?? 0
      const isMoving = share !== seenShare
      seenShare = share
      return isMoving || race.claims.count > 0
    },
    async run(signal) {
      race.course.originAsked()
      try {
        for (let isLast = false; ; isLast = true) {
          const outcome = await runOnce(race, origin, deps, { signal, isLast, running })
          if (!('neededMs' in outcome)) return outcome
          await untilPeersFallBehind(race, deps, { withinMs: outcome.neededMs, signal })
        }
      } catch (error) {
        if (!signal.aborted) {
          race.origin.isAlive = false
          race.origin.failure = { error }
          race.retries.originFailed(isCatalogError(error, 'UPSTREAM_REJECTED'))
        }
        throw error
      }
    },
  }
}

interface RunningStream {
  readonly assembly: Assembly
  readonly startedMs: number
  readonly isLast: boolean
  /** Ends it because peers are clearly ahead. */
  overtake(): void
}

/** The artifact, or the time that the origin would still have needed when it was overtaken. */
async function runOnce(
  race: Race,
  origin: Origin,
  deps: TransferDeps,
  how: { signal: AbortSignal; isLast: boolean; running: { stream: RunningStream | undefined } },
): Promise<Found | { neededMs: number }> {
  const cancel = new AbortController()
  // What readers have been given goes on though another source should have been verified meanwhile.
  const onAbort = (): void => {
    if (race.delivery.offered !== how.running.stream?.assembly) cancel.abort(how.signal.reason)
  }
  const onEnd = (): void => cancel.abort(race.signal.reason)
  how.signal.addEventListener('abort', onAbort, { once: true })
  race.signal.addEventListener('abort', onEnd, { once: true })
  try {
    const options = { smallBytes: deps.chunkSize, signal: cancel.signal }
    const opened = await openOrigin(origin, race.digest, options)
    if (opened.kind === 'whole') return { source: 'origin', bytes: opened.bytes }
    return await readStream(race, opened, deps, { ...how, cancel })
  } finally {
    how.signal.removeEventListener('abort', onAbort)
    race.signal.removeEventListener('abort', onEnd)
  }
}

async function readStream(
  race: Race,
  { size, body }: OriginStream,
  deps: TransferDeps,
  how: {
    isLast: boolean
    cancel: AbortController
    running: { stream: RunningStream | undefined }
  },
): Promise<Found | { neededMs: number }> {
  const { digest, visibility } = race
  const { chunkSize } = deps
  const assembly = await deps.assemblies.open({ digest, size, chunkSize }, undefined, visibility)
  let isOvertaken = false
  const overtake = (): void => {
    isOvertaken = true
    how.cancel.abort(new Error('peers are ahead'))
  }
  const startedMs = deps.clock.now()
  const stream: RunningStream = { assembly, startedMs, isLast: how.isLast, overtake }
  how.running.stream = stream
  const over = new AbortController()
  compareWithPeers(race, stream, deps, over.signal).catch((error: unknown) => {
    if (!over.signal.aborted) throw error
  })
  try {
    await feedAssembly(assembly, body)
    return { source: 'origin', assembly }
  } catch (error) {
    const neededMs = remainingOf(stream, deps)
    await assembly.fail(error, { keep: false })
    if (isOvertaken) return { neededMs }
    if (race.delivery.offered === assembly) race.end(error)
    throw error
  } finally {
    over.abort(new Error('the origin has been read'))
  }
}

/** Decides whether readers get the origin's bytes, as soon as that can be told. */
async function compareWithPeers(
  race: Race,
  stream: RunningStream,
  deps: TransferDeps,
  signal: AbortSignal,
): Promise<void> {
  const { claims, delivery } = race
  while (claims.count > 0 || race.delegate() !== 'none') {
    await deps.clock.sleep(POLL_MS, signal)
    const mayStop = !stream.isLast && stream.assembly.share < CLEARLY_AHEAD
    if (mayStop && race.delegate() === 'at-it') return stream.overtake()
    if (deps.clock.now() - stream.startedMs < COMPARE_AFTER_MS) continue
    if (claims.count === 0) break
    const ownMs = remainingOf(stream, deps)
    const peersMs = claims.leader()?.remainingMs ?? Infinity
    if (ownMs < Infinity && ownMs <= peersMs) break
    if (!stream.isLast && peersMs < ownMs * CLEARLY_AHEAD) return stream.overtake()
  }
  delivery.offer('origin', stream.assembly)
  await claims.close(new Error('the registry is ahead'), { keep: false })
}

function remainingOf({ assembly, startedMs }: RunningStream, { clock }: TransferDeps): number {
  return remainingMs(assembly.share, assembly.share, clock.now() - startedMs)
}

/** As soon as they would no longer be done before the origin would have been, and no delegate is at it. */
async function untilPeersFallBehind(
  { claims, delegate }: Race,
  { clock }: TransferDeps,
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<void> {
  const dueAtMs = clock.now() + withinMs
  const isAtIt = (): boolean => delegate() === 'at-it'
  while (isAtIt() || clock.now() + (claims.leader()?.remainingMs ?? Infinity) < dueAtMs) {
    await clock.sleep(POLL_MS, signal)
  }
}
