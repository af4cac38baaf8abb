/**
 * The peers that are said to hold an artifact: asked one after another, hedged, best first. A claim is no answer, so the next
 * peer is asked at once, and the next source (an origin) starts a moment later unless the chunks come well enough.
 * It never waits for a peer that is backed off while there is an origin.
 */
import type { Digest } from '../../content/digest.ts'
import { isCatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { askPeer } from './ask-peer.ts'
import { MAX_CHUNK_PEERS } from './claimants.ts'
import { isWellUnderWay } from './claims.ts'
import { nameFor, type FirstAsk } from './first-ask.ts'
import { hedge, type Attempt } from './hedge.ts'
import type { Found } from './found.ts'
import type { Race } from './source.ts'

/** Peers asked for one artifact before the origin's turn. */
const MAX_FAVOURED = 6
/** After the first claim, before another source may begin beside it. */
const CLAIM_HEDGE_MS = 60
const CLAIM_POLL_MS = 30
/** Between two looks at which further peers have come to hold it. */
const NEWCOMERS_MS = 100

/** Asks each peer once, however often it is named. */
export interface PeerAsker {
  /** Undefined for one that is not worth asking, or has been asked. */
  readonly ask: (peer: PeerId) => Attempt<Found> | undefined
}

export function createPeerAsker(
  race: Race,
  deps: TransferDeps,
  first: FirstAsk | undefined,
): PeerAsker {
  const contacted = new Set<PeerId>()

  function attempt(peer: PeerId, isRetry: boolean): Attempt<Found> {
    const { course, digest } = race
    const begun = !isRetry && first?.peer === peer ? first.attempt : undefined
    const asking =
      begun ?? askPeer(peer, digest, deps, { isRetry, name: nameFor(peer, race, deps) })
    return {
      ...asking,
      onLate() {
        course.late += 1
        asking.onLate?.()
      },
      async run(signal, startNext) {
        if (!isRetry && begun === undefined) course.asked += 1
        const answer = await asking.run(signal, startNext).catch((error: unknown) => {
          if (!signal.aborted && !isCatalogError(error, 'NOT_FOUND')) course.failed += 1
          if (isUnanswered(error)) race.silent.add(peer)
          else race.silent.delete(peer)
          throw error
        })
        if (answer.kind === 'whole') {
          course.gave(peer)
          return { source: 'peer', bytes: answer.bytes }
        }
        const taken = race.claims.take(answer.claim)
        startNext()
        const found = await taken
        course.gave(peer)
        return found
      },
    }
  }

  return {
    ask(peer) {
      if (contacted.has(peer) || deps.scores.isBanned(peer)) return undefined
      contacted.add(peer)
      return race.retries.withRetries(attempt(peer, false), () => attempt(peer, true))
    },
  }
}

/** It has not said whether it has it. */
function isUnanswered(error: unknown): boolean {
  return (['PEER_TIMEOUT', 'PEER_BUSY', 'PEER_UNREACHABLE'] as const).some((code) =>
    isCatalogError(error, code),
  )
}

export interface Swarm {
  /** Those worth waiting for: all of them when there is no origin; undefined: there are none. */
  readonly favoured: Attempt<Found> | undefined
  /** Those too, but for the registry's signature, which a delegate sends along and the registry would be asked for. */
  readonly unsigned: Attempt<Found> | undefined
  /** The others, for when an origin fails or is slow. */
  readonly rest: Attempt<Found>
}

export function createSwarm(
  race: Race,
  deps: TransferDeps,
  asker: PeerAsker,
  { hasDelegate, first }: { readonly hasDelegate: boolean; readonly first: PeerId | undefined },
): Swarm {
  const { clock, scores } = deps
  const others = holdersOf(race.digest, deps).filter((peer) => peer !== first)
  const peers = first === undefined ? others : [first, ...others]
  const worthIt =
    race.origin.origin === undefined
      ? [...peers]
      : peers.filter((peer) => peer === first || !scores.isBackedOff(peer)).slice(0, MAX_FAVOURED)
  const mayWait = (peer: PeerId): boolean =>
    peer !== first && hasDelegate && lacksRecord(peer, race, deps)

  function nextOf(queue: PeerId[]): Attempt<Found> | undefined {
    for (let peer = queue.shift(); peer !== undefined; peer = queue.shift()) {
      const attempt = asker.ask(peer)
      if (attempt !== undefined) return attempt
    }
    return undefined
  }

  const askAll = (queue: PeerId[]): Attempt<Found> => ({
    hedgeMs: undefined,
    async run(signal, startNext) {
      const next = (): Attempt<Found> | undefined => {
        const attempt = enough(race) ? undefined : nextOf(queue)
        if (attempt === undefined && race.claims.count === 0) startNext()
        return attempt
      }
      return await besideNewcomers(race, deps, {
        ...{ asker, signal, asking: hedge(next, { clock, signal }) },
        onClaim: (until) =>
          ignoreAbort(startOthers(race, deps, { startNext, signal: until }), until),
      })
    },
  })
  const [unsigned, favoured] = [worthIt.filter(mayWait), worthIt.filter((peer) => !mayWait(peer))]
  return {
    favoured: favoured.length > 0 ? askAll(favoured) : undefined,
    unsigned: unsigned.length > 0 ? askAll(unsigned) : undefined,
    rest: {
      hedgeMs: undefined,
      async run(signal, startNext) {
        const next = (): Attempt<Found> | undefined => {
          const attempt = nextOf(peers)
          if (attempt === undefined) startNext()
          return attempt
        }
        return await hedge(next, { clock, signal })
      },
    },
  }
}

/** What the registry has signed is missing here, and this peer does not say that it has it. */
export function lacksRecord(
  peer: PeerId,
  { name }: Pick<Race, 'name'>,
  { discovery }: Pick<TransferDeps, 'discovery'>,
): boolean {
  return name !== undefined && !discovery.nameHolders(name).includes(peer)
}

/** Best first. */
export function holdersOf(digest: Digest, { discovery, scores, links }: TransferDeps): PeerId[] {
  return scores.rank(discovery.holders(digest), links.outstanding)
}

/**
 * What `asking` gives, or, once there is a claim, what peers give that have come to hold it meanwhile. Where it fails they go on.
 * @param how `onClaim`: the first one is there; `onFailed`: `asking` has failed, and they go on
 */
export async function besideNewcomers(
  race: Race,
  deps: TransferDeps,
  how: {
    readonly asker: PeerAsker
    readonly asking: Promise<Found>
    readonly signal: AbortSignal
    readonly onClaim?: (until: AbortSignal) => void
    readonly onFailed?: () => void
  },
): Promise<Found> {
  const { asker, asking, signal, onClaim, onFailed } = how
  let isOver = false
  let over: AbortController | undefined // made only for large artifacts
  const newcomer = Promise.withResolvers<Found>()
  race.claims.onFirst(() => {
    if (isOver) return
    over = new AbortController()
    const until = AbortSignal.any([signal, over.signal])
    onClaim?.(until)
    ignoreAbort(askNewcomers(race, deps, asker, { found: newcomer.resolve, until }), until)
  })
  const late = Promise.race([newcomer.promise, race.claims.won])
  try {
    return await Promise.race([asking, late])
  } catch (error) {
    signal.throwIfAborted()
    onFailed?.()
    return await Promise.race([late, race.claims.drained().then(() => Promise.reject(error))])
  } finally {
    isOver = true
    over?.abort(new Error('the peers have been asked'))
  }
}

/** More peers for the same chunks would not make them come sooner. */
function enough({ claims }: Race): boolean {
  return (claims.leader()?.chunkPeers ?? 0) >= MAX_CHUNK_PEERS
}

/** After a first claim: another source may begin unless its chunks come well enough. */
async function startOthers(
  race: Race,
  { clock }: TransferDeps,
  { startNext, signal }: { startNext: () => void; signal: AbortSignal },
): Promise<void> {
  await clock.sleep(CLAIM_HEDGE_MS, signal)
  while (isWellUnderWay(race.claims)) await clock.sleep(CLAIM_POLL_MS, signal)
  startNext()
}

/** While chunks come: peers that have come to hold it too, and those that were not needed so far. */
async function askNewcomers(
  race: Race,
  deps: TransferDeps,
  asker: PeerAsker,
  { found, until }: { found: (found: Found) => void; until: AbortSignal },
): Promise<void> {
  for (;;) {
    await deps.clock.sleep(NEWCOMERS_MS, until)
    if (enough(race)) continue
    let asked = 0
    for (const peer of holdersOf(race.digest, deps)) {
      const attempt = asker.ask(peer)
      if (attempt === undefined) continue
      attempt.run(until, () => undefined).then(found, () => undefined) // it has been recorded where it belongs
      asked += 1
      if (asked >= 2 * MAX_CHUNK_PEERS) break
    }
  }
}

function ignoreAbort(running: Promise<void>, signal: AbortSignal): void {
  running.catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
