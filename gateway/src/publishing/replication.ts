/**
 * Has peers keep what was published here: so many as the user wants, asked one after the other until that many do, at each change and
 * again now and then. Never asks for what is private. Publishing never fails because of it.
 */
import { setTimeout as wait } from 'node:timers/promises'
import {
  isCatalogError,
  type CatalogNode,
  type Logger,
  type PublishedName,
} from '@catalog-p2p/core'
import { REPLICAS, type ReplicaRequest } from './replica-messages.ts'

export interface Replication {
  /** How many peers keep it now, and how many should. Never rejects. */
  spread(published: PublishedName, signal: AbortSignal): Promise<Spread>
  /** Of those who said last that they keep it, how many are connected. */
  readonly keptBy: (published: PublishedName) => number
  stats(): ReplicationStats
  stop(): Promise<void>
}

export interface Spread {
  readonly kept: number
  readonly wanted: number
}

export interface ReplicationStats {
  /** Machines beside this one that should keep each package. */
  readonly wanted: number
  /** Packages that were published here. */
  readonly packages: number
  /** Those of them that fewer keep, when they were asked last. */
  readonly short: number
}

/** What it needs of a node. */
export interface PublishingNode {
  readonly questions: { peers(): readonly string[] }
  readonly publications: {
    told(): readonly PublishedName[]
    offered(published: PublishedName): Uint8Array | undefined
  }
  readonly onEvent: CatalogNode['onEvent']
}

/** Whether that peer has it now. Never rejects. */
export type AskToKeep = (question: {
  readonly peer: string
  readonly request: ReplicaRequest
  readonly signal: AbortSignal
}) => Promise<boolean>

/** Keeps no process alive. @throws when the signal aborts */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>

/** The publisher's client waits for it. */
const SPREAD_MS = 10_000
const MAX_ASKED = 20
/** Peers have been met by then. */
const FIRST_MS = 60_000
const REPAIR_MS = 30 * 60_000
/** After a peer has come: others may come with it. */
const SOON_MS = 500

export function createReplication(
  deps: {
    readonly node: PublishingNode
    readonly ask: AskToKeep
    readonly isShared: (name: string) => boolean
    readonly log: Logger
    /** The system's timers unless given. */
    readonly sleep?: Sleep
  },
  { replication: wanted }: { readonly replication: number },
): Replication {
  const { node, ask, isShared, log, sleep = systemSleep } = deps
  /** By package and publisher: who keeps it. */
  const keepers = new Map<string, readonly string[]>()
  const stopping = new AbortController()
  let pause = new AbortController()
  const unsubscribe = node.onEvent(({ type }) => {
    if (type !== 'peer-connected' || stats().short === 0) return
    sleep(SOON_MS, stopping.signal).then(() => pause.abort(), ignoreStop)
  })
  const repairing = wanted === 0 ? undefined : repair(stopping.signal)

  async function spread(published: PublishedName, asked: AbortSignal): Promise<Spread> {
    const { name, publisher } = published
    const head = isShared(name) ? node.publications.offered({ name, publisher }) : undefined
    if (wanted === 0 || head === undefined) return { kept: 0, wanted: 0 }
    const request = { name, publisher, head }
    const signal = AbortSignal.any([asked, AbortSignal.timeout(SPREAD_MS)])
    const before = new Set(keepers.get(idOf(published)))
    // Those that have it already first: only what is new moves then.
    const left = node.questions
      .peers()
      .toSorted((a, b) => Number(before.has(b)) - Number(before.has(a)))
      .slice(0, MAX_ASKED)
    const kept: string[] = []
    /** Finds one that keeps it. */
    const findOne = async (): Promise<void> => {
      for (let peer = left.shift(); peer !== undefined; peer = left.shift()) {
        if (!(await ask({ peer, request, signal }))) continue
        kept.push(peer)
        return
      }
    }
    await Promise.all(Array.from({ length: wanted }, findOne))
    keepers.set(idOf(published), kept)
    return { kept: kept.length, wanted }
  }

  /** One package after the other: all of them now and then, and when a peer has come those that too few keep. */
  async function repair(signal: AbortSignal): Promise<void> {
    for (let waitMs = FIRST_MS; ; waitMs = REPAIR_MS) {
      const woken = AbortSignal.any([signal, pause.signal])
      // Its only rejections are a peer that has come, and the end.
      await sleep(waitMs, woken).catch(() => undefined)
      // Who comes from now on ends the next pause.
      if (woken.aborted) pause = new AbortController()
      for (const head of node.publications.told()) {
        if (signal.aborted) return
        if (!woken.aborted || keptBy(head) < wanted) await spread(head, signal)
      }
      if (signal.aborted) return
      const { packages, short } = stats()
      if (short > 0) log.info('replicas.short', { packages, short, wanted })
    }
  }

  function connected(): ReadonlySet<string> {
    return new Set(node.questions.peers())
  }

  function keptBy(published: PublishedName, peers = connected()): number {
    return (keepers.get(idOf(published)) ?? []).filter((peer) => peers.has(peer)).length
  }

  function stats(): ReplicationStats {
    const own = node.publications.told().filter(({ name }) => isShared(name))
    const peers = connected()
    return {
      ...{ wanted, packages: own.length },
      short: own.filter((head) => keptBy(head, peers) < wanted).length,
    }
  }

  return {
    ...{ spread, stats, keptBy: (published) => keptBy(published) },
    async stop() {
      unsubscribe()
      stopping.abort(new Error('the gateway is stopping'))
      await repairing
    },
  }
}

export function askToKeep({
  node,
  log,
}: {
  readonly node: CatalogNode
  readonly log: Logger
}): AskToKeep {
  return async (question) => {
    const { peer } = question
    try {
      return (await node.questions.ask(REPLICAS, question)) ?? false
    } catch (error) {
      if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(peer, error.message)
      log.debug('replicas.not-answered', { peer, error })
      return false
    }
  }
}

function idOf({ name, publisher }: PublishedName): string {
  return `${name}\n${publisher}`
}

const systemSleep: Sleep = (ms, signal) => wait(ms, undefined, { signal, ref: false })

const ignoreStop = (): void => undefined
