/**
 * Hides what a store holds as public and no longer is, before any peer hears of it, and shows what was public under the rules that
 * count again. It decides neither. Yields to the event loop now and then: a store has many entries, and the process serves
 * meanwhile.
 */
import type { Digest } from '../content/digest.ts'
import type { Visibility } from '../content/visibility.ts'
import type { Store } from './store.ts'

const ENTRIES_BETWEEN_YIELDS = 1_000

/** Port: the rules of what is public live outside of the core. */
export type JudgeVisibility = (digest: Digest, visibility: Visibility) => Visibility

/** Resolves when the changes are on disk as well: a crash must not undo them. */
export async function reviewVisibility(store: Store, judge: JudgeVisibility): Promise<void> {
  const entries = [...store.entries()]
  let changed = 0
  for (const [index, { digest, visibility }] of entries.entries()) {
    const judged = judge(digest, visibility)
    if (judged !== visibility && store.setVisibility(digest, judged)) changed += 1
    if ((index + 1) % ENTRIES_BETWEEN_YIELDS === 0) await new Promise(setImmediate)
  }
  if (changed > 0) await store.flush()
}
