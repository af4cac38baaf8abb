/**
 * Keeps a store within its quota: what complete artifacts take, and downloads whose origin has said how large they are.
 * Replicas have a quota of their own within it, so that neither what is fetched drives them out nor they what is fetched.
 * Never evicts what is pinned or our own, and never for what peers claim: that has a share of its own (store.ts,
 * CLAIMS_SHARE).
 */
import type { Digest } from '../content/digest.ts'
import type { Entries } from './entries.ts'
import { chooseVictims, type Evictable } from './evict.ts'
import type { Retention } from './store.ts'

/** Of the quota, unless the options say otherwise. */
const REPLICA_SHARE = 0.2

/** Bytes that replicas may take. */
export function replicaQuotaOf(options: {
  readonly quotaBytes: number
  readonly replicaQuotaBytes?: number | undefined
}): number {
  const { quotaBytes, replicaQuotaBytes = Math.floor(quotaBytes * REPLICA_SHARE) } = options
  return Math.min(quotaBytes, replicaQuotaBytes)
}

/** Unfinished downloads, as far as space is concerned. */
export interface ReservedSpace {
  /** Bytes that downloads from origins will take when they are complete; of one retention, or of all. */
  reservedBytes(retention?: Retention): number
}

export interface QuotaDeps {
  readonly entries: Entries
  readonly partials: ReservedSpace | undefined
  readonly quotaBytes: number
  /** Of all replicas, within `quotaBytes`. */
  readonly replicaQuotaBytes: number
  readonly drop: (digest: Digest) => void
}

/**
 * Evicts until `incomingBytes` fit: cached artifacts for anything, replicas for replicas and, when nothing cached is left, for
 * our own. False, and nothing evicted, when there can't be space.
 */
export function makeSpace(
  deps: QuotaDeps,
  incomingBytes: number,
  retention: Retention = 'cache',
): boolean {
  const { entries, partials, quotaBytes, drop } = deps
  const replicas = retention === 'replica' ? replicaVictims(deps, incomingBytes) : []
  if (replicas === undefined) return false
  const freed = replicas.reduce((sum, digest) => sum + (entries.sizeOf(digest) ?? 0), 0)
  const usedBytes = entries.bytes + (partials?.reservedBytes() ?? 0) - freed
  const candidates = retention === 'own' ? evictionOrder(entries) : entries.evictable('cache')
  const others = chooseVictims(candidates, { quotaBytes, usedBytes, incomingBytes })
  if (others === undefined) return false
  for (const digest of [...replicas, ...others]) drop(digest)
  return true
}

/** After a change of quotas. */
export function fitQuotas(deps: QuotaDeps): void {
  makeSpace(deps, 0, 'replica')
  makeSpace(deps, 0, 'own')
}

/** A stored artifact is to be kept for longer: whether that changed. Never for less long; not beyond the replicas' quota. */
export function strengthen(deps: QuotaDeps, digest: Digest, retention: Retention): boolean {
  const { entries, drop } = deps
  const entry = entries.get(digest)
  if (entry === undefined || STRENGTH[retention] <= STRENGTH[entry.retention]) return false
  const victims = retention === 'replica' ? replicaVictims(deps, entry.size) : []
  if (victims === undefined) return false
  for (const victim of victims) drop(victim)
  return entries.setRetention(digest, retention)
}

/** All that may be evicted, the least valuable first: cached before replicas, each least recently used first. */
export function* evictionOrder(entries: Entries): Generator<Evictable> {
  yield* entries.evictable('cache')
  yield* entries.evictable('replica')
}

const STRENGTH: Readonly<Record<Retention, number>> = { cache: 0, replica: 1, own: 2 }

function replicaVictims(deps: QuotaDeps, incomingBytes: number): Digest[] | undefined {
  const { entries, partials, replicaQuotaBytes } = deps
  return chooseVictims(entries.evictable('replica'), {
    quotaBytes: replicaQuotaBytes,
    usedBytes: entries.bytesOf('replica') + (partials?.reservedBytes('replica') ?? 0),
    incomingBytes,
  })
}
