/**
 * What this node tells peers of witnesses' words: lists the packages that it is itself a witness of, and those of which it keeps
 * the verified word of a witness that its user has named; answers with those that are asked for. Nothing of what is private.
 */
import {
  isCatalogError,
  witnessKeyOf,
  type Answering,
  type CatalogNode,
  type NameKey,
} from '@catalog-p2p/core'
import type { CachedDocument, DocumentKey } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { Registries } from '../../upstream/registries.ts'
import type { Countersigner } from './countersigner.ts'
import type { StatementStore } from './statement-store.ts'
import {
  fitting,
  MAX_ANSWER_BYTES,
  WITNESSES,
  type WitnessRequestMessage,
  type WitnessResponseMessage,
} from './witness-protocol.ts'
import { MAX_STATEMENT_BYTES, type WitnessedPackage } from './witness-statement.ts'
import { MAX_LIST_BYTES } from './witnessed-list.ts'

export interface WitnessAnswersDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly cache: PackumentCache
  readonly registries: Registries
  readonly statements: StatementStore
  readonly isKnownPublic: (name: string) => boolean
  /** undefined: this node is no witness. */
  readonly countersigner: Countersigner | undefined
}

export interface WitnessAnswers extends Pick<Answering, 'stop'> {
  /** Something is kept of it that was not. */
  list(of: WitnessedPackage): void
}

/** About 200 bytes of memory each. */
const MAX_LISTED = 100_000
const MAX_STREAMS_PER_PEER = 8

export function answerWitnesses(deps: WitnessAnswersDependencies): WitnessAnswers {
  const { node, cache, statements, countersigner } = deps
  const listed = new Map<NameKey, WitnessedPackage>()

  function list({ registry, name }: WitnessedPackage): void {
    const key = witnessKeyOf({ registry, name })
    if (listed.has(key) || listed.size >= MAX_LISTED || !mayTell(deps, { registry, name })) return
    listed.set(key, { registry, name })
    node.questions.announce(key)
  }

  /** Its own list is not made yet. */
  function bytesFor({ key }: WitnessRequestMessage): number {
    const of = listed.get(key)
    if (of === undefined) return 0
    const own = countersigner === undefined ? 0 : MAX_LIST_BYTES + MAX_STATEMENT_BYTES
    return Math.min(MAX_ANSWER_BYTES, own + statements.bytesOf(of))
  }

  async function answer(
    { key, witnesses }: WitnessRequestMessage,
    signal: AbortSignal,
  ): Promise<WitnessResponseMessage | undefined> {
    const of = listed.get(key)
    // It may have become private since it was listed.
    if (of === undefined || !mayTell(deps, of)) return undefined
    const isAsked = countersigner !== undefined && witnesses.includes(countersigner.witness)
    const own = isAsked ? await countersigner.sign(of, { signal }) : undefined
    const kept = statements.of(of).filter(({ witness }) => witnesses.includes(witness))
    const lists = fitting(own === undefined ? kept : [own, ...kept])
    return lists.length === 0 ? undefined : { lists }
  }

  function removed(document: DocumentKey): void {
    const key = witnessKeyOf(document)
    if (statements.of(document).length === 0 && listed.delete(key)) node.questions.withdraw(key)
  }

  for (const each of statements.packages()) list(each)
  if (countersigner !== undefined) {
    const saved = (document: CachedDocument): void => {
      if (document.peerFetchedAtMs === undefined) list(document)
    }
    cache.watch({ saved, removed }, MAX_LISTED)
  }
  const answering = node.questions.answer(WITNESSES, {
    maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
    bytesFor,
    answer: (request, from) => answer(request, from.signal),
  })
  return {
    list,
    async stop() {
      for (const key of listed.keys()) node.questions.withdraw(key)
      listed.clear()
      await answering.stop()
    },
  }
}

function mayTell(
  { registries, isKnownPublic }: WitnessAnswersDependencies,
  { registry, name }: WitnessedPackage,
): boolean {
  try {
    return registries.homeOf(name).url === registry && isKnownPublic(name)
  } catch (error) {
    // It belongs to a scope whose registry is not known any more.
    if (isCatalogError(error, 'NOT_FOUND')) return false
    throw error
  }
}
