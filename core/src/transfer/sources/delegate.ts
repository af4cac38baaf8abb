/**
 * Asking the delegate of a version (fleet/fleet.ts) to fetch it for us. It says at once that it is at it, and goes on saying
 * so; one that falls silent is late, and the next source begins. What it sends is checked like the bytes of any peer.
 */
import { digestOf } from '../../content/digest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { FetchWish, Fleet } from '../../fleet/fleet.ts'
import type { PeerId } from '../../host/host.ts'
import type { FetchedResult } from '../asking/request-stream.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import type { Found } from './found.ts'
import type { Attempt } from './hedge.ts'
import type { Race } from './source.ts'
import { ignoreAbort } from './swarm.ts'

export type DelegateDeps = Pick<TransferDeps, 'links' | 'scores' | 'clock' | 'limitOf' | 'fleet'>

/** A delegate that says nothing for so long is late: the registry is asked as well. */
const SILENCE_MS = 250
/** However often it says that it is at it. */
const LONGEST_WAIT_MS = 8_000

/** @param onLate it has been silent too long: called once at most */
export function askDelegate(
  peer: PeerId,
  wish: FetchWish,
  deps: DelegateDeps,
  onLate: () => void = () => undefined,
): Attempt<FetchedResult> {
  const { links, clock, fleet } = deps
  let startedMs = Infinity
  let heard = 0
  let seen = 0
  let isLate = false
  return {
    hedgeMs: SILENCE_MS,
    isProgressing() {
      // Before its first word, bytes from it are its greeting.
      const now = heard === 0 ? 0 : heard + links.receivedBytes(peer)
      const isMoving = now !== seen
      seen = now
      return isMoving && clock.now() - startedMs < LONGEST_WAIT_MS
    },
    onLate() {
      isLate = true
      fleet.failed(peer)
      onLate()
    },
    async run(signal) {
      try {
        startedMs = clock.now()
        await deps.limitOf(peer).take(0, signal) // how much it is, the answer will say
        const stream = await links.stream(peer, 'session')
        const onFetching = (): void => void (heard += 1)
        const result = await stream.wantFetch(wish, { signal, onFetching })
        check(peer, wish, result, deps)
        return result
      } catch (error) {
        if (!signal.aborted && !isLate) blame(fleet, peer, error)
        throw error
      }
    },
  }
}

/** @throws CatalogError PEER_MISBEHAVED */
function check(
  peer: PeerId,
  { digest }: FetchWish,
  { record, bytes }: FetchedResult,
  { scores, limitOf }: DelegateDeps,
): void {
  const named = digest ?? record?.digest
  if (bytes === undefined || named === undefined) return
  limitOf(peer).spend(bytes.byteLength)
  if (digestOf(bytes) === named) return scores.answered(peer, { bytes: bytes.byteLength })
  scores.penalize(peer, 'bytes that are not what the digest names')
  throw new CatalogError('PEER_MISBEHAVED', 'the bytes are not what the digest names', { peer })
}

function blame(fleet: Fleet, peer: PeerId, error: unknown): void {
  if (isCatalogError(error, 'PEER_REFUSED')) fleet.refused(peer)
  // Its registry has not got it: that is no fault of its own.
  else if (!isCatalogError(error, 'NOT_FOUND')) fleet.failed(peer)
}

/** The delegate as a source of a download, before the origin. */
export function delegateSource(
  race: Race,
  { peer, wish }: { readonly peer: PeerId; readonly wish: FetchWish },
  deps: TransferDeps,
): Attempt<Found> {
  const { course } = race
  const asking = askDelegate(peer, wish, deps, () => (course.late += 1))
  return {
    ...asking,
    async run(signal, startNext) {
      // Another machine waits for this download: were both to wait for each other, nobody would fetch it.
      race.alone.addEventListener('abort', startNext, { once: true, signal })
      if (race.alone.aborted) startNext()
      course.asked += 1
      const { record, manifest, bytes } = await asking.run(signal, startNext)
      if (record !== undefined) await deps.records.add(record) // believed only if it verifies
      if (bytes !== undefined) {
        deps.fleet.succeeded(peer)
        course.gave(peer)
        return { source: 'peer', bytes }
      }
      const { size, chunkSize, leaves, present } = manifest
      const hasChunk = present && ((index: number) => present.has(index))
      const geometry = { digest: race.digest, size, chunkSize }
      ignoreAbort(startOthersWhenSilent(peer, deps, { startNext, signal }), signal)
      const found = await race.claims.take({ peer, geometry, leaves, hasChunk })
      deps.fleet.succeeded(peer)
      course.gave(peer)
      return found
    },
  }
}

/** The delegate has all of it: another source would only cost a second copy, unless nothing comes. */
async function startOthersWhenSilent(
  peer: PeerId,
  { clock, links }: TransferDeps,
  { startNext, signal }: { startNext: () => void; signal: AbortSignal },
): Promise<void> {
  for (let seen = -1; seen < links.receivedBytes(peer);) {
    seen = links.receivedBytes(peer)
    await clock.sleep(SILENCE_MS, signal)
  }
  startNext()
}
