/**
 * Keeps the file-system store within its quota: what complete artifacts and unfinished downloads take together. Evicts
 * artifacts first and kept downloads last; never what is pinned or being downloaded.
 */
import type { Digest } from '../content/digest.ts'
import type { Entries } from './entries.ts'
import { chooseVictims, type Evictable } from './evict.ts'
import type { FsPartials } from './fs-partials.ts'

export interface RoomDeps {
  readonly entries: Entries
  readonly partials: FsPartials | undefined
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
