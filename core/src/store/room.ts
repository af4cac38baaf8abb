/**
 * Keeps a store within its quota: what complete artifacts and unfinished downloads take together. Evicts
 * artifacts first and kept downloads last; never what is pinned or being downloaded.
 */
import type { Digest } from '../content/digest.ts'
import type { Entries } from './entries.ts'
import { chooseVictims, type Evictable } from './evict.ts'

/** Unfinished downloads, as far as room is concerned. */
export interface PartialsRoom {
  /** Bytes that they take, or will when they are complete. */
  readonly reservedBytes: number
  /** Those that nobody works on, least recently touched first. */
  kept(): Iterable<Evictable>
  drop(digest: Digest): boolean
}

export interface RoomDeps {
  readonly entries: Entries
  readonly partials: PartialsRoom | undefined
  readonly quotaBytes: number
  /** False when it is no entry. */
  readonly drop: (digest: Digest) => boolean
}

/** False, and nothing evicted, when there can't be room for `incomingBytes`. */
export function makeRoom(deps: RoomDeps, incomingBytes: number): boolean {
  const { entries, partials, quotaBytes, drop } = deps
  const usedBytes = entries.bytes + (partials?.reservedBytes ?? 0)
  const victims = chooseVictims(candidates(deps), { quotaBytes, usedBytes, incomingBytes })
  for (const digest of victims ?? []) if (!drop(digest)) partials?.drop(digest)
  return victims !== undefined
}

function* candidates({ entries, partials }: RoomDeps): Generator<Evictable> {
  yield* entries.evictable()
  if (partials) yield* partials.kept()
}
