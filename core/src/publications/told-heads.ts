/**
 * What of the heads that are known here peers may have: none that is hidden or of a private name, whatever they were told before. It
 * decides by the name alone and verifies nothing.
 */
import type { NameKey } from '../content/name-key.ts'
import type { Logger } from '../log.ts'
import type { HeadBook, KnownHead } from './head-book.ts'
import type { Head } from './head.ts'
import type { HeadRequest } from './heads-protocol.ts'
import type { IsTold } from './republisher.ts'

/** Announced in one turn of the event loop: where there are private names each head is read for its own. */
const ANNOUNCED_AT_ONCE = 200

export function createTold({
  book,
  isPrivate,
  questions,
  log,
}: {
  readonly book: HeadBook
  /** Names that no peer may hear of. undefined: there are none. */
  readonly isPrivate: ((name: string) => boolean) | undefined
  readonly questions: { announce(key: NameKey): void }
  readonly log: Logger
}): {
  readonly isTold: IsTold
  /** Of this machine's own. */
  readonly told: () => Head[]
  /** Beside the start, as there may be tens of thousands. Never rejects. */
  readonly announceAll: (until: AbortSignal) => Promise<void>
  readonly answer: (request: HeadRequest) => Uint8Array | undefined
} {
  const isTold: IsTold = ({ origin, head }) => origin !== 'hidden' && !isPrivate?.(head.name)
  const find = (key: NameKey): KnownHead | undefined => {
    const known = book.get(key)
    return known !== undefined && isTold(known) ? known : undefined
  }
  // Most machines have no private names, and read no head for this; verified it is when it is given.
  const isToldKey = (key: NameKey): boolean => {
    if (isPrivate === undefined) return true
    const name = book.nameOf(key)
    return name !== undefined && !isPrivate(name)
  }
  return {
    isTold,
    told: () => book.keys('own').flatMap((key) => find(key)?.head ?? []),
    async announceAll(until) {
      try {
        const keys = (['own', 'cache'] as const).flatMap((origin) => book.keys(origin))
        for (const [index, key] of keys.entries()) {
          if (until.aborted) return
          if (isToldKey(key)) questions.announce(key)
          if ((index + 1) % ANNOUNCED_AT_ONCE === 0) await new Promise(setImmediate)
        }
      } catch (error) {
        log.warn('heads.not-told', { error })
      }
    },
    answer({ key, known }) {
      const found = find(key)
      return found && newsOf(found, known)
    },
  }
}

/** Undefined unless it is newer than what the asker has, or contradicts it. */
function newsOf(
  { head, statement }: KnownHead,
  known: HeadRequest['known'],
): Uint8Array | undefined {
  const isNews =
    known === undefined ||
    head.sequence > known.sequence ||
    (head.sequence === known.sequence && head.digest !== known.digest)
  return isNews ? statement : undefined
}
