/**
 * What of the heads that are known here peers may have, announced and given: none that is hidden or of a private name, whatever they
 * were told before. It decides by the name alone and verifies nothing.
 */
import type { NameKey } from '../content/name-key.ts'
import type { Logger } from '../log.ts'
import type { Answering, AnswerOptions } from '../rpc/answer.ts'
import type { RequestProtocol } from '../rpc/protocol.ts'
import type { HeadBook, KnownHead } from './head-book.ts'
import type { Head } from './head.ts'
import { HEADS, MAX_HEAD_STREAMS, type HeadRequest } from './heads-protocol.ts'
import type { IsTold } from './republisher.ts'

/** Announced in one turn of the event loop: where there are private names each head is read for its own. */
const ANNOUNCED_AT_ONCE = 200

/** What is told to peers, and how they are answered. */
export interface PeersTold {
  announce(key: NameKey): void
  answer<Request, Response>(
    protocol: RequestProtocol<Request, Response>,
    options: AnswerOptions<Request, Response>,
  ): Answering
}

export function createTold({
  book,
  isPrivate,
  questions,
  log,
}: {
  readonly book: Pick<HeadBook, 'get' | 'has' | 'keys' | 'nameOf'>
  /** Names that no peer may hear of. undefined: there are none. */
  readonly isPrivate: ((name: string) => boolean) | undefined
  readonly questions: PeersTold
  readonly log: Logger
}): {
  readonly isTold: IsTold
  /** Of this machine's own. */
  readonly told: () => Head[]
  readonly answer: (request: HeadRequest) => Uint8Array | undefined
  /** Answers peers, and has announced all that there are, in turns, as there may be tens of thousands. Never rejects. */
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
} {
  const isTold: IsTold = ({ origin, head }) => origin !== 'hidden' && !isPrivate?.(head.name)
  const find = (key: NameKey): KnownHead | undefined => {
    const known = book.get(key)
    return known !== undefined && isTold(known) ? known : undefined
  }
  // Most machines have no private names, and read no head for this; verified it is when it is given.
  const isToldKey = (key: NameKey): boolean => {
    if (isPrivate === undefined) return book.has(key)
    const name = book.nameOf(key)
    return name !== undefined && !isPrivate(name)
  }
  const answer = ({ key, known }: HeadRequest): Uint8Array | undefined => {
    const found = find(key)
    return found && newsOf(found, known)
  }
  let answering: Answering | undefined
  return {
    isTold,
    told: () => book.keys('own').flatMap((key) => find(key)?.head ?? []),
    answer,
    async start() {
      answering = questions.answer(HEADS, {
        maxStreamsPerPeer: MAX_HEAD_STREAMS,
        // As large as it is: by the largest that there may be, a few who ask at once would take all memory.
        bytesFor: (request) => answer(request)?.byteLength ?? 0,
        answer: async (request) => answer(request),
      })
      try {
        const keys = (['own', 'cache'] as const).flatMap((origin) => book.keys(origin))
        for (const [index, key] of keys.entries()) {
          // Asked in its turn: it may have been forgotten since.
          if (isToldKey(key)) questions.announce(key)
          if ((index + 1) % ANNOUNCED_AT_ONCE === 0) await new Promise(setImmediate)
        }
      } catch (error) {
        log.warn('heads.not-told', { error })
      }
    },
    async stop() {
      await answering?.stop()
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
