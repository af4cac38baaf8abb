/**
 * Two caches of packuments as one: what is private goes into one that is gone after the run, everything else into the one that
 * is kept, so that a store in a CI cache holds nothing of private packages. Never moves a document from one to the other.
 */
import type { BodyKey } from './body-disk.ts'
import type { BodyFiles } from './body-files.ts'
import type { DocumentKey } from './cached-document.ts'
import type { PackumentCache } from './packument-cache.ts'

export interface SplitCaches {
  readonly kept: PackumentCache
  /** Its documents' ids begin in a way of their own. */
  readonly unkept: PackumentCache
}

export function createSplitCache(
  { kept, unkept }: SplitCaches,
  isPrivate: (key: DocumentKey) => boolean,
): PackumentCache {
  const both = [unkept, kept] as const
  const of = (key: DocumentKey): PackumentCache => (isPrivate(key) ? unkept : kept)
  return {
    database: kept.database,
    bodies: splitBodies({ kept, unkept }),
    find: (key, by) => of(key).find(key, by),
    bytesOf: (key) => of(key).bytesOf(key),
    findByName: (registry, name, owners) =>
      both
        .flatMap((cache) => cache.findByName(registry, name, owners))
        .sort((a, b) => owners.indexOf(a.owner) - owners.indexOf(b.owner)),
    visibilityOf(registry, name) {
      const found = both.map((cache) => cache.visibilityOf(registry, name))
      return found.includes('public') ? 'public' : found.find((each) => each !== undefined)
    },
    save: (document, bytes) => of(document).save(document, bytes),
    saveForm: (document, form) => of(document).saveForm(document, form),
    update: (document, said) => of(document).update(document, said),
    remove: (document) => of(document).remove(document),
    expire: (name) => both.forEach((cache) => cache.expire(name)),
    expireAll: () => both.forEach((cache) => cache.expireAll()),
    forget: (name) => both.forEach((cache) => cache.forget(name)),
    // They expire together.
    epochOf: (name) => kept.epochOf(name),
    // What anybody may see of a registry that is not public is none of a watcher's concern.
    watch: (watcher, limit) => kept.watch(watcher, limit),
    async close() {
      for (const cache of both) await cache.close()
    },
  }
}

/** By the id that a document got when it was saved. */
function splitBodies({ kept, unkept }: SplitCaches): BodyFiles {
  const of = (document: string): BodyFiles =>
    document.startsWith(UNKEPT_PREFIX) ? unkept.bodies : kept.bodies
  return {
    read: (key: BodyKey) => of(key.document).read(key),
    readUnpacked: (key) => of(key.document).readUnpacked(key),
    remember: (key, gzipped) => of(key.document).remember(key, gzipped),
    write: (key, gzipped) => of(key.document).write(key, gzipped),
    clear: (document, keepHash) => of(document).clear(document, keepHash),
    flush: () => kept.bodies.flush(),
  }
}

/** No hex digit. */
export const UNKEPT_PREFIX = 'p'
