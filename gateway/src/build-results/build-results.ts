/**
 * Results of build tasks, kept as artifacts and found by what went into the task. The bytes are checked by their hash as all others;
 * that they are what the task gives is a writer's word, which counts only when this machine wrote them itself or trusts the key that
 * has signed. In a private swarm members ask each other; without one nothing of it leaves this machine.
 */
import type {
  Answering,
  Artifact,
  CatalogNode,
  Database,
  HybridKey,
  KeyId,
  Logger,
} from '@catalog-p2p/core'
import { isCatalogError, keyIdOf } from '@catalog-p2p/core'
import PQueue from 'p-queue'
import type { OwnKeys } from '../publishing/own-keys.ts'
import type { Trust } from '../trust/trust.ts'
import { BuildPeers } from './ask-peers.ts'
import { buildKeyOf, trustNameOf, type BuildName } from './build-key.ts'
import { BUILD_RESULTS, MAX_STATEMENTS } from './build-messages.ts'
import { signBuild } from './build-statement.ts'
import { openBuildTable, type BuildTable, type KnownBuild } from './build-table.ts'
import { buildWriters } from './build-writers.ts'
import { RunTokens } from './run-tokens.ts'

export type BuildMode = 'off' | 'read' | 'write'

export interface BuildResultsOptions {
  readonly mode: BuildMode
  /** In a private swarm. */
  readonly isShared: boolean
  /** What a task waits for peers at most, before it is built here. */
  readonly waitMs: number
  readonly swarmRoot: KeyId | undefined
}

export interface BuildResultsDependencies {
  readonly node: CatalogNode
  readonly log: Logger
  readonly database: Database
  readonly trust: Pick<Trust, 'originOf' | 'book'>
  readonly ownKeys: OwnKeys
}

export interface BuildResultsStats {
  readonly mode: BuildMode
  readonly isShared: boolean
  /** Given to tools, by where the bytes were, this run. */
  readonly store: number
  readonly peer: number
  /** Asked for, and not there. */
  readonly missed: number
  readonly written: number
  /** Of those written, by no key that may: for this machine only. */
  readonly unsigned: number
  /** What peers offered, of nobody who may. */
  readonly untrusted: number
  /** Tasks for which writers who may have given different results. */
  readonly conflicts: number
}

/** Of a gateway that does not run. */
export const NO_BUILDS: BuildResultsStats = {
  ...{ mode: 'off', isShared: false, store: 0, peer: 0, missed: 0 },
  ...{ written: 0, unsigned: 0, untrusted: 0, conflicts: 0 },
}

interface FoundBuild {
  readonly build: KnownBuild
  readonly artifact: Artifact
}

/** For the first bytes of a result that somebody is known to have. */
const FIRST_BYTES_MS = 1_000
const MAX_STREAMS_PER_PEER = 8
const UPLOADS_AT_ONCE = 2

type Counts = { -readonly [Name in keyof BuildResultsStats]: BuildResultsStats[Name] }

export class BuildResults {
  /** Each result is whole in memory while it is taken in. */
  readonly uploads = new PQueue({ concurrency: UPLOADS_AT_ONCE })
  /** Beside the one that stays good. */
  readonly runTokens = new RunTokens()
  readonly #deps: BuildResultsDependencies
  readonly #options: BuildResultsOptions
  readonly #table: BuildTable
  readonly #peers: BuildPeers
  readonly #counts: Counts
  readonly #answering: Answering | undefined

  constructor(deps: BuildResultsDependencies, options: BuildResultsOptions) {
    this.#deps = deps
    this.#options = options
    this.#table = openBuildTable(deps.database, { now: Date.now })
    this.#peers = new BuildPeers(deps, options)
    const { mode, isShared } = options
    this.#counts = { ...NO_BUILDS, mode, isShared }
    if (mode === 'off' || !isShared) return
    this.#answering = deps.node.questions.answer(BUILD_RESULTS, {
      maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
      answer: ({ mark }) => Promise.resolve(this.#answer(mark)),
    })
  }

  get mode(): BuildMode {
    return this.#options.mode
  }

  stats(): BuildResultsStats {
    return { ...this.#counts }
  }

  /** What is known of it without its bytes. @throws `signal.reason` */
  async find(name: BuildName, signal: AbortSignal): Promise<KnownBuild | undefined> {
    const key = buildKeyOf(name)
    const writers = this.#writersOf(name.team)
    const known = this.#trusted(key, writers)
    if (known.length > 0 || !this.#options.isShared) return known[0]
    const { trusted, untrusted } = await this.#peers.ask(key, { writers, signal })
    this.#counts.untrusted += untrusted
    for (const said of trusted) this.#table.add({ ...said, isOwn: false })
    const found = this.#trusted(key, writers)
    if (new Set(found.map(({ digest }) => digest)).size > 1) {
      this.#counts.conflicts += 1
      const signers = found.map(({ signer }) => signer)
      this.#deps.log.info('builds.conflict', { key, signers, taken: signers[0] })
    }
    return found[0]
  }

  /** With its bytes, or the first of them. @throws `signal.reason`, STORE_CORRUPT and the like */
  async open(name: BuildName, signal: AbortSignal): Promise<FoundBuild | undefined> {
    const build = await this.find(name, signal)
    const artifact = build && (await this.#get(build, signal))
    if (build === undefined || artifact === undefined) {
      this.#counts.missed += 1
      return undefined
    }
    this.#counts[artifact.source === 'store' ? 'store' : 'peer'] += 1
    return { build, artifact }
  }

  /** Of this machine the first result of a task stands, as long as its bytes are here. */
  async add(
    name: BuildName,
    { bytes, ...said }: { bytes: Uint8Array; durationMs: number; tag: string },
  ): Promise<'added' | 'there'> {
    const key = buildKeyOf(name)
    const { node, log } = this.#deps
    const own = this.#table.find(key).find(({ isOwn }) => isOwn)
    if (own !== undefined && node.has(own.digest)) return 'there'
    const signing = this.#options.isShared ? await this.#keyFor(name.team) : undefined
    const visibility = signing === undefined ? 'private' : 'public'
    const digest = await node.put(bytes, { visibility, retention: 'cache' })
    const claims = { ...said, key, digest, size: bytes.byteLength }
    const signed = signing && { signer: signing.id, statement: signBuild(claims, signing.key) }
    const { signer = '', statement } = signed ?? {}
    this.#table.add({ ...claims, signer, statement, isOwn: true }, { replace: true })
    this.#counts.written += 1
    if (signed === undefined) this.#counts.unsigned += 1
    log.debug('builds.written', { key, size: claims.size, signer })
    return 'added'
  }

  async close(): Promise<void> {
    await this.#answering?.stop()
  }

  #writersOf(team: string): readonly KeyId[] {
    const { swarmRoot } = this.#options
    return buildWriters(this.#deps.trust, { team, swarmRoot })
  }

  #trusted(key: string, writers: readonly string[]): KnownBuild[] {
    return this.#table.find(key).filter(({ isOwn, signer }) => isOwn || writers.includes(signer))
  }

  async #get(build: KnownBuild, asked: AbortSignal): Promise<Artifact | undefined> {
    const { node, log } = this.#deps
    const waiting = new AbortController()
    const timer = setTimeout(() => waiting.abort(new Error('too late for a build')), FIRST_BYTES_MS)
    try {
      const signal = AbortSignal.any([asked, waiting.signal])
      return await node.get(build.digest, { signal, peers: this.#options.isShared })
    } catch (error) {
      asked.throwIfAborted()
      log.debug('builds.no-bytes', { digest: build.digest, error })
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }

  /** undefined: this machine has no key that its own trust file, or its organisation, lets write for that team. */
  async #keyFor(team: string): Promise<{ id: KeyId; key: HybridKey } | undefined> {
    const { ownKeys, log } = this.#deps
    try {
      const key = await ownKeys.keyFor(trustNameOf(team), this.#writersOf(team))
      return { id: keyIdOf(key.publicKey), key }
    } catch (error) {
      if (isCatalogError(error, 'DENIED')) return undefined
      if (!isCatalogError(error)) throw error
      log.warn('builds.no-key', { team, reason: error.message })
      return undefined
    }
  }

  /** To a member: what was signed, of what the swarm may have. */
  #answer(key: string): readonly Uint8Array[] | undefined {
    const isThere = ({ digest }: KnownBuild): boolean =>
      this.#deps.node.entry(digest)?.visibility === 'public'
    const found = this.#table.find(key).filter(isThere)
    const statements = found.flatMap(({ statement }) => statement ?? []).slice(0, MAX_STATEMENTS)
    return statements.length === 0 ? undefined : statements
  }
}
