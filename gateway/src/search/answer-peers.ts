/**
 * Answers peers' searches from the local index, so with public packages only, each peer at a bounded rate. Asks nobody else on a
 * peer's behalf: a search never travels further than one hop.
 */
import type { Answering, CatalogNode } from '@catalog-p2p/core'
import { LRUCache } from 'lru-cache'
import type { FoundPackage } from './merge.ts'
import { SEARCH_PROTOCOL } from './search-messages.ts'
import { wordsOf } from './search-words.ts'

/** Searches of one peer at once, and the time after which it may make one more. */
const BURST = 20
const REFILL_MS = 1_000
const MAX_PEERS = 1_000
const MAX_STREAMS_PER_PEER = 4

export function answerPeers(
  { questions, now }: { readonly questions: CatalogNode['questions']; readonly now: () => number },
  find: (words: readonly string[], limit: number) => readonly FoundPackage[],
): Answering {
  const rate = new SearchRate(now)
  return questions.answer(SEARCH_PROTOCOL, {
    maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
    // Beyond its rate a peer gets no response, which is no offence: its user may be typing.
    answer: async ({ text, limit }, { peer }) =>
      rate.take(peer) ? find(wordsOf(text), limit) : undefined,
  })
}

/** A token bucket per peer. */
class SearchRate {
  readonly #now: () => number
  readonly #buckets = new LRUCache<string, { tokens: number; atMs: number }>({ max: MAX_PEERS })

  constructor(now: () => number) {
    this.#now = now
  }

  take(peer: string): boolean {
    const atMs = this.#now()
    const before = this.#buckets.get(peer) ?? { tokens: BURST, atMs }
    const tokens = Math.min(BURST, before.tokens + (atMs - before.atMs) / REFILL_MS)
    const isAllowed = tokens >= 1
    this.#buckets.set(peer, { tokens: isAllowed ? tokens - 1 : tokens, atMs })
    return isAllowed
  }
}
