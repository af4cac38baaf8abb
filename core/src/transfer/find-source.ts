/**
 * Who gives an artifact, or the first word on it: peers of the swarm, best first and hedged, then the origin, then the other
 * peers of the swarm, then those beyond, then once more those that were busy or hung up. The first good answer wins, the others
 * are cancelled.
 */
import type { ArtifactSource, Origin } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import { createSecondRound } from './ask-again.ts'
import { hedge, type Attempt } from './hedge.ts'
import { askPeer, type Claim } from './holders.ts'
import { openOrigin, type OriginStream } from './origin-download.ts'
import { noProviders, searchAttempt } from './search-attempt.ts'
import type { TransferDeps } from './transfer.ts'

/** Peers asked for one artifact before the origin's turn. */
const MAX_ASKED = 6
/** A slow origin is given this long before the others are asked as well. */
const SEARCH_AFTER_MS = 500

export type Found =
  | { readonly kind: 'whole'; readonly source: ArtifactSource; readonly bytes: Uint8Array }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'origin'; readonly result: OriginStream; readonly cancel: AbortController }

export interface Search {
  readonly digest: Digest
  readonly origin: Origin | undefined
  /** Peers to ask, best first. */
  readonly swarm: readonly PeerId[]
  /** Look beyond the swarm too. */
  readonly search: boolean
  readonly excluded: ReadonlySet<PeerId>
}

/** @throws the origin's own error if there is one, which says more than that no peer has it; else NO_PROVIDERS */
export async function findSource(
  search: Search,
  deps: TransferDeps,
  signal: AbortSignal,
): Promise<Found> {
  const { digest, origin, excluded } = search
  const { scores } = deps
  const first =
    origin === undefined
      ? [...search.swarm]
      : search.swarm.filter((peer) => !scores.isCooling(peer)).slice(0, MAX_ASKED)
  // Who is not worth waiting for while there is an origin is better than nobody when it fails.
  const others = search.swarm.values()
  const asked = new Set<PeerId>()
  const secondRound = createSecondRound(deps.clock, { hasOrigin: origin !== undefined })
  let originLeft = origin !== undefined
  let searchLeft = search.search
  let originFailure: { error: unknown } | undefined

  function askOnce(peer: PeerId): Attempt<Found> | undefined {
    if (asked.has(peer) || excluded.has(peer) || scores.isBanned(peer)) return undefined
    asked.add(peer)
    const again = { ...deps, scores: { ...scores, late: () => undefined } } // it was late once
    return secondRound.withMore(fromPeer(peer, digest, deps), () => fromPeer(peer, digest, again))
  }

  function onOriginError(error: unknown): void {
    originFailure = { error }
    secondRound.originFailed(isCatalogError(error, 'UPSTREAM_REJECTED'))
  }

  function next(): Attempt<Found> | undefined {
    const peer = first.shift() ?? (originLeft ? undefined : others.next().value)
    if (peer !== undefined) return askOnce(peer) ?? next()
    if (originLeft && origin !== undefined) {
      originLeft = false
      return fromOrigin(origin, search, { ...deps, signal }, onOriginError)
    }
    if (searchLeft) {
      searchLeft = false
      return searchAttempt(digest, { ...deps, ask: askOnce })
    }
    secondRound.open()
    return undefined
  }

  const onDiscarded = (late: Found): void => {
    if (late.kind === 'origin') late.cancel.abort(new Error('a peer was quicker'))
  }
  try {
    return await hedge(next, { clock: deps.clock, signal, onDiscarded })
  } catch (error) {
    signal.throwIfAborted()
    if (originFailure !== undefined) throw originFailure.error
    if (isCatalogError(error, 'NO_PROVIDERS')) throw error
    throw noProviders(digest, error)
  }
}

function fromPeer(peer: PeerId, digest: Digest, deps: TransferDeps): Attempt<Found> {
  const attempt = askPeer(peer, digest, deps)
  return {
    ...attempt,
    async run(...how) {
      const answer = await attempt.run(...how)
      if (answer.kind === 'claim') return answer
      return { kind: 'whole', source: 'peer', bytes: answer.bytes }
    },
  }
}

function fromOrigin(
  origin: Origin,
  { digest }: Search,
  { chunkSize, signal }: TransferDeps & { signal: AbortSignal },
  onError: (error: unknown) => void,
): Attempt<Found> {
  return {
    hedgeMs: SEARCH_AFTER_MS,
    async run(attemptSignal) {
      // The attempt ends when its head has come; its body goes on after the race is over.
      const cancel = new AbortController()
      const forward = (): void => cancel.abort(attemptSignal.reason)
      attemptSignal.addEventListener('abort', forward, { once: true })
      signal.addEventListener('abort', () => cancel.abort(signal.reason), { once: true })
      try {
        const options = { smallBytes: chunkSize, signal: cancel.signal }
        const result = await openOrigin(origin, digest, options)
        if (result.kind === 'stream') return { kind: 'origin', result, cancel }
        return { kind: 'whole', source: 'origin', bytes: result.bytes }
      } catch (error) {
        onError(error)
        throw error
      } finally {
        attemptSignal.removeEventListener('abort', forward)
      }
    },
  }
}
