/**
 * The witnesses that this user has named: asks peers that list a package for their word on it, and keeps what verifies. Asks nobody
 * about a package that is not known to be public; believes, and passes on, nobody who was not named. What no honest peer would
 * have sent is penalized.
 */
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import {
  isCatalogError,
  witnessKeyOf,
  type CatalogNode,
  type KeyId,
  type Logger,
} from '@catalog-p2p/core'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { StatementStore } from './statement-store.ts'
import type { WitnessedJob } from './verdict.ts'
import { WITNESSES } from './witness-protocol.ts'
import {
  claimedWitness,
  openWitness,
  type SignedList,
  type WitnessedPackage,
} from './witness-statement.ts'

export interface Witnesses {
  /** Whether there is anybody whose word counts. */
  readonly areNamed: boolean
  /** What named witnesses say of it, as far as peers have it; undefined: none is named. @throws `signal.reason` */
  ask(of: WitnessedPackage, options: { signal: AbortSignal }): Promise<WitnessedJob | undefined>
  /** Asks behind, now and then, and tells `onWord` of what has changed. Costs nothing where nobody has something to say. */
  refresh(of: WitnessedPackage): void
  close(): Promise<void>
}

export interface WitnessesDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly cache: Pick<PackumentCache, 'find'>
  readonly statements: StatementStore
  readonly isKnownPublic: (name: string) => boolean
  /** Something is kept that was not. */
  readonly onKept: (of: WitnessedPackage) => void
  /** A witness has said something new, and nobody waits for it. */
  readonly onWord: (of: WitnessedPackage, said: WitnessedJob) => Promise<void>
  readonly log: Logger
}

export interface WitnessesOptions {
  readonly witnesses: readonly KeyId[]
  readonly quorum: number
}

/** Each may relay all of them. */
const MAX_PEERS = 4
/** A package is asked about behind at most so often. */
const REFRESH_MS = 600_000
const MAX_REFRESHED = 20_000
const MAX_WAITING = 1_000

export function createWitnesses(
  deps: WitnessesDependencies,
  { witnesses, quorum }: WitnessesOptions,
): Witnesses {
  const { node, statements, isKnownPublic, onWord, log } = deps
  const believed = new Set<string>(witnesses)
  const refreshed = new LRUCache<string, true>({
    maxSize: MAX_REFRESHED,
    sizeCalculation: () => 1,
    ttl: REFRESH_MS,
  })
  const queue = new PQueue({ concurrency: 2 })
  const closing = new AbortController()

  /** Whether there is news. */
  async function askPeer(
    peer: string,
    of: WitnessedPackage,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      const request = { key: witnessKeyOf(of), witnesses }
      const answer = await node.questions.ask(WITNESSES, { peer, request, signal })
      const news = (answer?.lists ?? []).map((list) => take(list, of)).includes(true)
      if (news) deps.onKept(of)
      return news
    } catch (error) {
      log.debug('witnesses.peer-failed', { peer, name: of.name, error })
      const isLie = isCatalogError(error, 'PEER_MISBEHAVED') || isInvalid(error)
      if (isLie) node.questions.penalize(peer, (error as Error).message)
      return false
    }
  }

  /** @throws CatalogError INVALID_STATEMENT */
  function take(list: SignedList, { registry, name }: WitnessedPackage): boolean {
    // Of a witness that was not asked for: not even verified, or peers could keep this machine at it.
    if (!believed.has(claimedWitness(list))) return false
    const said = openWitness(list)
    // Of another package: nothing that one could use.
    if (said.registry !== registry || said.name !== name) return false
    return statements.keep({ ...said, ...list })
  }

  async function askAll(of: WitnessedPackage, signal: AbortSignal): Promise<boolean> {
    if (!isKnownPublic(of.name)) return false
    const peers = node.questions.holders(witnessKeyOf(of)).slice(0, MAX_PEERS)
    const news = await Promise.all(peers.map((peer) => askPeer(peer, of, signal)))
    signal.throwIfAborted()
    return news.includes(true)
  }

  function said(of: WitnessedPackage): WitnessedJob {
    const kept = statements.of(of).filter(({ witness }) => believed.has(witness))
    const lists = kept.map(({ witness, seenAtMs, list }) => ({ witness, seenAtMs, list }))
    return { lists, quorum, nowMs: Date.now(), floorMs: floorOf(deps.cache, of) }
  }

  async function refreshNow(of: WitnessedPackage): Promise<void> {
    try {
      if (await askAll(of, closing.signal)) await onWord(of, said(of))
    } catch (error) {
      if (!closing.signal.aborted) log.debug('witnesses.not-asked', { name: of.name, error })
    }
  }

  return {
    areNamed: believed.size > 0,
    async ask(of, { signal }) {
      if (believed.size === 0) return undefined
      await askAll(of, signal)
      return said(of)
    },
    refresh(of) {
      if (believed.size === 0) return
      const key = `${of.registry} ${of.name}`
      if (refreshed.has(key) || queue.size >= MAX_WAITING) return
      if (node.questions.holders(witnessKeyOf(of)).length === 0) return
      refreshed.set(key, true)
      void queue.add(() => refreshNow(of))
    },
    async close() {
      closing.abort(new Error('the gateway has stopped'))
      queue.clear()
      await queue.onIdle()
    },
  }
}

/** What this machine has seen of the registry itself, or believed of witnesses before: no older word on tags counts. */
function floorOf(cache: Pick<PackumentCache, 'find'>, of: WitnessedPackage): number {
  const own = cache.find({ ...of, owner: '' })
  const told = cache.find({ ...of, owner: '' }, 'peers')
  return Math.max(own?.confirmedAtMs ?? 0, told?.witness?.tagsSeenAtMs ?? 0)
}

function isInvalid(error: unknown): boolean {
  return isCatalogError(error, 'INVALID_STATEMENT')
}
