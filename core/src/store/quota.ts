/**
 * Keeps a store within its quota: what complete artifacts take, and downloads whose origin has said how large they are. Never
 * evicts what is pinned, and never for what peers claim: that has a share of its own (store.ts, CLAIMS_SHARE).
 */
import type { Digest } from '../content/digest.ts'
import type { Entries } from './entries.ts'
import { chooseVictims } from './evict.ts'

/** Unfinished downloads, as far as room is concerned. */
export interface PartialsRoom {
  /** Bytes that downloads from origins will take when they are complete. */
  readonly reservedBytes: number
}

export interface RoomDeps {
  readonly entries: Entries
  readonly partials: PartialsRoom | undefined
  readonly quotaBytes: number
  readonly drop: (digest: Digest) => void
}

/** False, and nothing evicted, when there can't be room for `incomingBytes`. */
export function makeRoom(deps: RoomDeps, incomingBytes: number): boolean {
  const { entries, partials, quotaBytes, drop } = deps
  const usedBytes = entries.bytes + (partials?.reservedBytes ?? 0)
  const needed = { quotaBytes, usedBytes, incomingBytes }
  const victims = chooseVictims(entries.evictable(), needed)
  for (const digest of victims ?? []) drop(digest)
  return victims !== undefined
}
