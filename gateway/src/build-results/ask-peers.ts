/**
 * Build results from the peers of the private swarm: asked all at once, and for so short a time that a local build is hardly later for
 * it. What comes counts only when a writer whom this machine trusts has signed it, and what says that somebody else has is not even
 * verified: peers could keep this machine at it. Whoever forges such a writer's word is disconnected.
 */
import { isCatalogError, type CatalogNode, type KeyId, type Logger } from '@catalog-p2p/core'
import { BUILD_RESULTS } from './build-messages.ts'
import { openBuild, signerOfBuild, type BuildStatement } from './build-statement.ts'

export interface AskPeersDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly log: Logger
}

export interface PeersAnswer {
  readonly trusted: readonly BuildStatement[]
  /** Of nobody who may; whether they are signed at all nobody has looked. */
  readonly untrusted: number
}

/** Asked about one result, the best first. */
const MAX_PEERS = 8
/** A peer that has kept a build waiting is left out for so long. */
const PATIENCE_MS = 10_000

const NOTHING: PeersAnswer = { trusted: [], untrusted: 0 }

export class BuildPeers {
  readonly #deps: AskPeersDependencies
  readonly #waitMs: number
  /** When they were silent last; no longer than there are peers connected. */
  readonly #silent = new Map<string, number>()

  constructor(deps: AskPeersDependencies, { waitMs }: { readonly waitMs: number }) {
    this.#deps = deps
    this.#waitMs = waitMs
  }

  /** @throws `signal.reason` */
  async ask(
    key: string,
    { writers, signal }: { readonly writers: readonly KeyId[]; readonly signal: AbortSignal },
  ): Promise<PeersAnswer> {
    const peers = this.#deps.node.questions.peers()
    for (const peer of this.#silent.keys()) {
      if (!peers.includes(peer)) this.#silent.delete(peer)
    }
    const asked = peers.filter((peer) => !this.#isSilent(peer)).slice(0, MAX_PEERS)
    if (writers.length === 0 || asked.length === 0) return NOTHING
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new Error('a build does not wait')), this.#waitMs)
    const limit = AbortSignal.any([signal, late.signal])
    const asking = asked.map((peer) =>
      this.#askOne(peer, { key, writers }, { signal: limit, late: late.signal }),
    )
    const said = await Promise.all(asking).finally(() => clearTimeout(timer))
    signal.throwIfAborted()
    return {
      trusted: said.flatMap(({ trusted }) => trusted),
      untrusted: said.reduce((sum, { untrusted }) => sum + untrusted, 0),
    }
  }

  #isSilent(peer: string): boolean {
    const sinceMs = this.#silent.get(peer)
    return sinceMs !== undefined && performance.now() - sinceMs < PATIENCE_MS
  }

  async #askOne(
    peer: string,
    { key, writers }: { readonly key: string; readonly writers: readonly KeyId[] },
    { signal, late }: { readonly signal: AbortSignal; readonly late: AbortSignal },
  ): Promise<PeersAnswer> {
    const { node, log } = this.#deps
    try {
      const request = { mark: key }
      const said = await node.questions.ask(BUILD_RESULTS, { peer, request, signal })
      this.#silent.delete(peer)
      const found = said ?? []
      const theirs = found.filter((each) => writers.includes(signerOfBuild(each)))
      const trusted = theirs.map((each) => openAsked(each, key))
      return { trusted, untrusted: found.length - trusted.length }
    } catch (error) {
      if (late.aborted) this.#silent.set(peer, performance.now())
      if (isOffence(error)) node.questions.penalize(peer, `build results: ${String(error)}`)
      log.debug('builds.not-from-peer', { peer, error })
      return NOTHING
    }
  }
}

function openAsked(statement: Uint8Array, key: string): BuildStatement {
  const build = openBuild(statement)
  if (build.key === key) return build
  throw new ForeignBuild('a build result that was not asked for')
}

class ForeignBuild extends Error {}

function isOffence(error: unknown): boolean {
  return (
    error instanceof ForeignBuild ||
    isCatalogError(error, 'INVALID_STATEMENT') ||
    isCatalogError(error, 'PEER_MISBEHAVED')
  )
}
