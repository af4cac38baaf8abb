/**
 * The same search at connected peers: a few of them, each within one second, all at the same time. What they answer is bounded by
 * the protocol, proves nothing, and is believed nowhere; a malformed or oversized answer counts against the peer that sent it.
 */
import { CatalogError, isCatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import {
  boundedKeywords,
  boundedText,
  SUMMARY_LIMITS,
} from '../packuments/document/package-summary.ts'
import type { FoundPackage } from './merge.ts'
import { SEARCH_PROTOCOL } from './search-messages.ts'
import { isMatch } from './search-words.ts'

export interface PeerSearchDependencies {
  readonly questions: CatalogNode['questions']
  readonly log: Logger
}

export interface PeerFindings {
  /** Peers that were asked. */
  readonly asked: number
  /** What those that answered have found, the best peer's first. */
  readonly answers: readonly (readonly FoundPackage[])[]
}

/** The best of those connected. */
const MAX_PEERS = 8

export async function searchPeers(
  deps: PeerSearchDependencies,
  search: {
    readonly words: readonly string[]
    readonly limit: number
    readonly signal: AbortSignal
  },
): Promise<PeerFindings> {
  const { words, limit, signal } = search
  const request = { text: words.join(' '), limit }
  const peers = deps.questions.peers().slice(0, MAX_PEERS)
  const answers = await Promise.all(peers.map((peer) => askPeer(deps, { peer, request, signal })))
  signal.throwIfAborted()
  return {
    asked: peers.length,
    answers: answers
      .filter((found) => found !== undefined)
      .map((found) => found.map(withPlainText).filter((each) => isMatch(each, words))),
  }
}

async function askPeer(
  { questions, log }: PeerSearchDependencies,
  question: {
    readonly peer: string
    readonly request: { readonly text: string; readonly limit: number }
    readonly signal: AbortSignal
  },
): Promise<readonly FoundPackage[] | undefined> {
  const { peer, request } = question
  try {
    const found = await questions.ask(SEARCH_PROTOCOL, question)
    if (found !== undefined && found.length > request.limit) {
      throw new CatalogError('PEER_MISBEHAVED', 'search: more results than were asked for')
    }
    return found
  } catch (error) {
    log.debug('search.peer-failed', { peer, error })
    if (isCatalogError(error, 'PEER_MISBEHAVED')) questions.penalize(peer, error.message)
    return undefined
  }
}

/** Without what reorders text on a screen, which the protocol lets pass. */
function withPlainText(found: FoundPackage): FoundPackage {
  const description = boundedText(found.description, SUMMARY_LIMITS.description)
  return { ...found, description, keywords: boundedKeywords(found.keywords) }
}
