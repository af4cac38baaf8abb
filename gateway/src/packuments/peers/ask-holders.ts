/**
 * Asks peers that list a package for its metadata: up to three at once, and another one instead of each that has nothing. Reads no
 * document. Who is told the digests of documents at hand sends none that is among them.
 */
import { setTimeout } from 'node:timers/promises'
import {
  CatalogError,
  isCatalogError,
  packageKeyOf,
  type CatalogNode,
  type Logger,
} from '@catalog-p2p/core'
import type { SourceRequest } from '../packument-source.ts'
import { MAX_KNOWN, PACKUMENTS } from './packument-protocol.ts'

export interface AskHoldersDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly log: Logger
}

export interface PeerAnswer {
  readonly peer: string
  /** Empty: it is one of those that it was told are at hand. */
  readonly body: Uint8Array
  readonly fetchedAtMs: number
}

/** A liar among three can neither hide a version nor have its way with a tag. */
const MAX_PEERS = MAX_KNOWN
/** To get so many answers. */
const MAX_TRIED = 12
/** For the other peers, once one has answered. */
const OTHERS_MS = 300

/**
 * The best peer's answer first. All of them say that nothing has changed, or all have a document.
 * @param known SHA-256 of the documents at hand, as they came
 * @throws `request.signal.reason`
 */
export async function askHolders(
  deps: AskHoldersDependencies,
  request: SourceRequest,
  known: readonly Uint8Array[],
): Promise<PeerAnswer[]> {
  const key = packageKeyOf({ registry: request.registry.url, name: request.name })
  const peers = deps.node.questions.holders(key).slice(0, MAX_TRIED)
  const rank = (a: PeerAnswer, b: PeerAnswer): number =>
    peers.indexOf(a.peer) - peers.indexOf(b.peer)
  const answers = await firstAnswers(peers, (peer) => askPeer(deps, request, { peer, known }))
  request.signal.throwIfAborted()
  const same = answers.filter(isUnchanged).map(({ peer }) => peer)
  if (same.length === 0 || same.length === answers.length) return answers.sort(rank)
  // What was made of theirs is made anew with the others', and for that they are needed themselves.
  const again = await firstAnswers(same, (peer) => askPeer(deps, request, { peer, known: [] }))
  request.signal.throwIfAborted()
  return [...answers.filter((each) => !isUnchanged(each)), ...again].sort(rank)
}

export function isUnchanged({ body }: PeerAnswer): boolean {
  return body.byteLength === 0
}

async function askPeer(
  { node, log }: AskHoldersDependencies,
  { registry, name, signal }: SourceRequest,
  { peer, known }: { readonly peer: string; readonly known: readonly Uint8Array[] },
): Promise<PeerAnswer | undefined> {
  const request = { key: packageKeyOf({ registry: registry.url, name }), known }
  try {
    const said = await node.questions.ask(PACKUMENTS, { peer, request, signal })
    if (said === undefined) return undefined
    const answer = { peer, body: said.document, fetchedAtMs: said.fetchedAtMs }
    if (isUnchanged(answer) && known.length === 0) {
      throw new CatalogError('PEER_MISBEHAVED', `${name}: an empty document`)
    }
    return answer
  } catch (error) {
    log.debug('packuments.peer-failed', { peer, name, error })
    if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(peer, error.message)
    return undefined
  }
}

/** Of up to three at once; another one is asked instead of each that has nothing, though it lists that it has. */
async function firstAnswers(
  peers: readonly string[],
  ask: (peer: string) => Promise<PeerAnswer | undefined>,
): Promise<PeerAnswer[]> {
  const answers: PeerAnswer[] = []
  const first = Promise.withResolvers<void>()
  const untried = peers.values()
  const asking = Array.from({ length: MAX_PEERS }, async () => {
    for (const peer of untried) {
      const answer = await ask(peer)
      if (answer === undefined) continue
      answers.push(answer)
      return first.resolve()
    }
  })
  // One that is silent does not hold up what the others have said.
  const enough = first.promise.then(() => setTimeout(OTHERS_MS, undefined, { ref: false }))
  await Promise.race([Promise.all(asking), enough])
  return [...answers]
}
