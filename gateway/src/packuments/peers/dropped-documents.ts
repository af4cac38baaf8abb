/**
 * Documents of peers' words that were dropped because something in them was a lie. Clients may still go by the rest of what they were told:
 * for as long their tarballs are compared with it. Never shown to a client again.
 */
import { LRUCache } from 'lru-cache'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'

export interface DroppedDocument {
  readonly document: CachedDocument
  /** JSON, gzipped. */
  readonly body: Buffer
}

/** The latest one of a name. */
export type DroppedDocuments = LRUCache<string, DroppedDocument>

const MAX_BYTES = 32 * 1024 * 1024
/** An install that has been told of it has ended by then. */
const KEPT_MS = 3_600_000

export function createDroppedDocuments(): DroppedDocuments {
  return new LRUCache({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ body }) => body.byteLength,
    ttl: KEPT_MS,
  })
}

/** Takes it out of the cache. */
export async function dropDocument(
  { cache, dropped }: { readonly cache: PackumentCache; readonly dropped: DroppedDocuments },
  document: CachedDocument,
): Promise<void> {
  const { id, hash, name } = document
  const body = await cache.bodies.read({ document: id, hash, part: 'raw' })
  if (body !== undefined) dropped.set(name, { document, body })
  cache.remove(document)
}
