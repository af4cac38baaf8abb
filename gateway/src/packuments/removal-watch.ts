/**
 * Notices, as metadata comes in, which versions a public registry has removed, and which it has again, and tells the guard. Only the
 * registry's own documents count, compared with its own document before.
 */
import type { Guard } from '../guard/guard.ts'
import { REMOVED, type NamedPackage } from '../guard/takedowns.ts'
import type { CachedDocument } from './cache/cached-document.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import type { DocumentBefore, VersionChanges } from './document/version-changes.ts'

export interface RemovalWatch {
  /** @param present the document at hand; undefined: there is none */
  before(of: NamedPackage, present: CachedDocument | undefined): Promise<DocumentBefore | undefined>
  /** @param askedAtMs when the registry was asked, Unix time in milliseconds */
  note(of: NamedPackage, changes: VersionChanges, askedAtMs: number): void
}

export function createRemovalWatch({
  cache,
  guard,
}: {
  readonly cache: Pick<PackumentCache, 'bodies'>
  readonly guard: Guard
}): RemovalWatch {
  return {
    async before(of, present) {
      const down = guard.downOf(of)
      const isRegistrys =
        present !== undefined &&
        present.peerFetchedAtMs === undefined &&
        present.member === undefined
      const at = isRegistrys && { document: present.id, hash: present.hash, part: 'versions' }
      const lines = at === false ? undefined : await cache.bodies.read(at)
      if (lines === undefined && down.length === 0) return undefined
      return { lines, modifiedAtMs: isRegistrys ? present.modifiedAtMs : undefined, down }
    },
    note(of, { removed, restored }, askedAtMs) {
      const takedown = { reason: REMOVED, by: 'registry', seenAtMs: Date.now() } as const
      if (removed.length > 0) {
        guard.takeDown(of, new Map(removed.map((version) => [version, takedown])))
      }
      if (restored.length > 0) guard.restore(of, restored, askedAtMs)
    },
  }
}
