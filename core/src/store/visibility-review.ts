/**
 * Hides what a store holds as public and no longer is, before any peer hears of it. Never makes anything public. Yields to
 * the event loop now and then: a store has many entries, and the process serves meanwhile.
 */
import type { Digest } from '../content/digest.ts'
import type { Store } from './store.ts'

const ENTRIES_BETWEEN_YIELDS = 1_000

/** Resolves when the changes are on disk as well: a crash must not make them public again. */
export async function hideWithdrawn(
  store: Store,
  isStillPublic: (digest: Digest) => boolean,
): Promise<void> {
  const digests = [...store.entries()].flatMap(({ digest, visibility }) =>
    visibility === 'public' ? [digest] : [],
  )
  let hidden = 0
  for (const [index, digest] of digests.entries()) {
    if (!isStillPublic(digest) && store.setVisibility(digest, 'private')) hidden += 1
    if ((index + 1) % ENTRIES_BETWEEN_YIELDS === 0) await new Promise(setImmediate)
  }
  if (hidden > 0) await store.flush()
}
