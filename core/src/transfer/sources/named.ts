/**
 * Asking peers for a version by its name key: one round trip brings the record, and with it the artifact if that is one chunk.
 * Only peers that list the key are asked, so nobody hears of names that nobody has. A record counts once its evidence has been
 * verified, and bytes once their digest has: what a peer says on the way has no effect. docs/protocol.md, section Records
 */
import { digestOf, type Digest } from '../../content/digest.ts'
import { nameKeyOf, type NameKey, type PackageVersion } from '../../content/name-key.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Records } from '../../records/records.ts'
import { raceSignal } from '../../timing/race-signal.ts'
import type { Clock } from '../../timing/clock.ts'
import type { NamedResult } from '../asking/request-stream.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { watchAnswer, type SharedPatience } from './ask-peer.ts'
import { askDelegate, LONGEST_WAIT_MS } from './delegate.ts'
import { hedge, type Attempt } from './hedge.ts'

export interface NamedRequests {
  /**
   * The record of that version: from peers that list it, and with `fetch` from its delegate, if there is one, before them. If its
   * artifact came with it, that is in the store. Undefined when nobody gave a record with evidence. Ends within RESOLVE_MS.
   * @throws `signal.reason`
   */
  resolve(
    version: PackageVersion,
    options: { signal: AbortSignal; fetch?: boolean },
  ): Promise<ArtifactRecord | undefined>
}

export interface NamedDeps extends Pick<
  TransferDeps,
  'store' | 'discovery' | 'links' | 'scores' | 'clock' | 'log' | 'limitOf' | 'fleet'
> {
  readonly records: Records
  /** Its bytes have come from a peer, though the caller will find them in the store. */
  readonly onArrived: (digest: Digest) => void
}

/** One after another, the next when those before it have not got it or are late: a few that list what they have not hide nothing. */
const MAX_ASKED = 16
/** Longer than a delegate may take: one that stalls has been called slow by then, even where this machine is late to look. */
const RESOLVE_MS = LONGEST_WAIT_MS + 10_000
/** One that is at it for longer is not waited for alone: those that list it are asked beside it. */
const BESIDE_DELEGATE_MS = 250
/** For those that list it when a delegate has had its time before them: there is a registry to ask. */
const AFTER_DELEGATE_MS = 150

export function createNamedRequests(deps: NamedDeps): NamedRequests {
  const { discovery, scores, links, clock } = deps
  const running = new Map<NameKey, Promise<ArtifactRecord | undefined>>()

  async function ask(
    key: NameKey,
    attempts: Attempt<ArtifactRecord>[],
  ): Promise<ArtifactRecord | undefined> {
    try {
      return await hedgeWithin(RESOLVE_MS, attempts, { clock })
    } catch (error) {
      if (isCatalogError(error)) return undefined // each has been recorded with its peer
      throw error
    } finally {
      running.delete(key)
    }
  }

  return {
    async resolve(version, { signal, fetch = false }) {
      signal.throwIfAborted()
      const key = nameKeyOf(version)
      let asking = running.get(key)
      if (asking === undefined) {
        const delegate = fetch ? deps.fleet.delegateOf(version) : undefined
        const patience: SharedPatience = { sinceMs: undefined }
        const holders = (): Attempt<ArtifactRecord>[] =>
          scores
            .rank(discovery.nameHolders(key), links.outstanding)
            .filter((peer) => peer !== delegate)
            .slice(0, MAX_ASKED)
            .map((peer) => attemptOf(deps, peer, { key, patience }))
        const attempts =
          delegate === undefined
            ? holders()
            : [delegateAttempt(deps, delegate, version), afterDelegate(deps, holders)]
        if (attempts.length === 0) return undefined
        asking = ask(key, attempts)
        running.set(key, asking)
      }
      return await raceSignal(asking, signal)
    },
  }
}

async function hedgeWithin(
  ms: number,
  attempts: Attempt<ArtifactRecord>[],
  { clock, signal }: { clock: Clock; signal?: AbortSignal },
): Promise<ArtifactRecord> {
  const expired = new AbortController()
  const stop = clock.after(ms, () =>
    expired.abort(new CatalogError('PEER_TIMEOUT', 'no peer has told it in time')),
  )
  const until = signal ? AbortSignal.any([signal, expired.signal]) : expired.signal
  try {
    return await hedge(() => attempts.shift(), { clock, signal: until })
  } finally {
    stop()
  }
}

/** Those that list it by then, within what the caller has left for them. */
function afterDelegate(
  { clock }: NamedDeps,
  holdersNow: () => Attempt<ArtifactRecord>[],
): Attempt<ArtifactRecord> {
  return {
    hedgeMs: undefined,
    async run(signal) {
      const holders = holdersNow()
      if (holders.length === 0) throw new CatalogError('NO_PROVIDERS', 'no peer lists it')
      return await hedgeWithin(AFTER_DELEGATE_MS, holders, { clock, signal })
    },
  }
}

/** One that is late has had its chance: others are asked instead. */
function delegateAttempt(
  deps: NamedDeps,
  peer: PeerId,
  version: PackageVersion,
): Attempt<ArtifactRecord> {
  const { fleet, scores, clock } = deps
  const late = new AbortController()
  const asking = askDelegate(peer, { version, digest: undefined }, deps, {
    onLate: () => late.abort(new CatalogError('PEER_TIMEOUT', 'the delegate is silent', { peer })),
  })
  const run: typeof asking.run = async (signal, startNext) =>
    asking.run(AbortSignal.any([signal, late.signal]), startNext)
  const attempt: Attempt<ArtifactRecord> = {
    ...asking,
    async run(signal, startNext) {
      const result = await run(signal, startNext)
      if (result.record === undefined) {
        throw new CatalogError('NOT_FOUND', 'the delegate has no record of it', { peer })
      }
      const given = { key: nameKeyOf(version), result: { ...result, record: result.record } }
      const record = await accept(deps, peer, given).catch((error: unknown) => {
        if (isCatalogError(error, 'PEER_MISBEHAVED')) scores.penalize(peer, error.message)
        throw error
      })
      fleet.succeeded(peer)
      return record
    },
  }
  return {
    hedgeMs: undefined,
    async run(signal, startNext) {
      const stop = clock.after(BESIDE_DELEGATE_MS, startNext)
      const attempts = [attempt]
      // It goes on being watched though others have been asked.
      return await hedge(() => attempts.shift(), { clock, signal }).finally(stop)
    },
  }
}

function attemptOf(
  deps: NamedDeps,
  peer: PeerId,
  { key, patience }: { readonly key: NameKey; readonly patience: SharedPatience },
): Attempt<ArtifactRecord> {
  const { scores, links, clock, limitOf } = deps
  const watch = watchAnswer(peer, deps, patience)
  return {
    hedgeMs: scores.hedgeMs(peer),
    isProgressing: watch.isProgressing,
    onLate: () => scores.recordTimeout(peer),
    async run(signal) {
      try {
        await limitOf(peer).take(0, signal) // how much it is, the answer will say
        watch.asked()
        const startedMs = clock.now()
        const stream = await links.stream(peer, 'session')
        const result = await stream.wantNamed(key, { signal })
        const record = await accept(deps, peer, { key, result })
        const bytes = result.bytes?.byteLength ?? 0
        limitOf(peer).spend(bytes)
        scores.answered(peer, { answerMs: clock.now() - startedMs, bytes })
        return record
      } catch (error) {
        if (isCatalogError(error, 'PEER_MISBEHAVED')) scores.penalize(peer, error.message)
        else if (!signal.aborted && !isCatalogError(error, 'NOT_FOUND')) scores.recordTimeout(peer)
        throw error
      }
    },
  }
}

/** @throws CatalogError PEER_MISBEHAVED for a lie, NOT_FOUND for evidence that can't be judged here */
async function accept(
  { records, store, log, onArrived }: NamedDeps,
  peer: PeerId,
  { key, result: { record, bytes } }: { key: NameKey; result: NamedResult },
): Promise<ArtifactRecord> {
  if (nameKeyOf(record) !== key) throw misbehaved(peer, 'a record of another version')
  if (bytes !== undefined && digestOf(bytes) !== record.digest) {
    throw misbehaved(peer, 'bytes that are not what its record names')
  }
  const verdict = await records.add(record)
  if (verdict === 'invalid') throw misbehaved(peer, 'a record with a false signature')
  if (verdict === 'unknown') {
    throw new CatalogError('NOT_FOUND', 'a record signed with a key that is not known here', {
      peer,
    })
  }
  if (bytes !== undefined && !store.has(record.digest)) {
    try {
      await store.put(record.digest, bytes, { visibility: 'public' })
      onArrived(record.digest)
    } catch (error) {
      log.debug('named.not-stored', { error }) // it is asked for again, by its digest
    }
  }
  return record
}

function misbehaved(peer: PeerId, what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`, { peer })
}
