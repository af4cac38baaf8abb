/**
 * What callers are given for an artifact that this machine has: bytes at hand, or a body that is read from the store piece
 * by piece. Never more than two pieces in memory per reader.
 */
import type { Artifact, ArtifactSource } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { isCatalogError } from '../errors.ts'
import type { Store } from '../store/store.ts'

/** A verified artifact whose bytes are at hand. */
export function wholeArtifact(digest: Digest, source: ArtifactSource, bytes: Uint8Array): Artifact {
  return { digest, source, size: bytes.byteLength, bytes, body: once(bytes) }
}

/** Undefined when the store has not got it, or has lost it. `pieceBytes`: up to this size it is given whole. */
export async function storedArtifact(
  digest: Digest,
  store: Store,
  pieceBytes: number,
): Promise<Artifact | undefined> {
  const size = store.entry(digest)?.size
  if (size === undefined) return undefined
  if (size > pieceBytes) {
    // A large one is read while it is answered: too late to find it damaged then, and to take it from elsewhere.
    if (!(await store.confirm(digest))) return undefined
    const body = readInPieces(digest, store, { size, pieceBytes })
    return { digest, source: 'store', size, bytes: undefined, body }
  }
  try {
    return wholeArtifact(digest, 'store', await store.read(digest))
  } catch (error) {
    if (isCatalogError(error, 'STORE_CORRUPT') || isCatalogError(error, 'NOT_FOUND')) {
      return undefined
    }
    throw error
  }
}

/** Each piece is read while the one before it is consumed. */
async function* readInPieces(
  digest: Digest,
  store: Store,
  { size, pieceBytes }: { size: number; pieceBytes: number },
): AsyncGenerator<Uint8Array> {
  let ahead = store.read(digest, { start: 0, end: Math.min(size, pieceBytes) })
  for (let end = pieceBytes; ; end += pieceBytes) {
    const bytes = await ahead
    if (end < size) {
      ahead = store.read(digest, { start: end, end: Math.min(size, end + pieceBytes) })
      ahead.catch(() => undefined) // awaited in the next round, if there is one
    }
    yield bytes
    if (end >= size) return
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes
}
