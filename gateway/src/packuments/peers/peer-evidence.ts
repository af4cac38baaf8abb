/**
 * The registry's signatures in documents of peers' words, of which only what a tag or a range can pick was verified when they were taken
 * in: each other one is verified when its version is used, before anything is made of its hash, and all of them once this
 * machine has had nothing of that kind to do for a while. One that is not signed takes its document along, and whoever
 * made it up is penalized. Never believes a hash of a peer's document that has not been verified.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { TrustedKeys } from '../../keys/trusted-keys.ts'
import { judgeSignatures, type SignatureVerdict } from '../../keys/version-signature.ts'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { Members } from '../members/members.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import type { VersionFacts } from '../document/version-lines.ts'
import { dropDocument, type DroppedDocuments } from './dropped-documents.ts'

export interface PeerEvidence {
  /**
   * Whether the registry has signed what peers say of a version, or what a machine of our certified swarm says, if keys of that
   * registry are known here; else nothing of that document counts any more.
   */
  isSigned(document: CachedDocument, facts: VersionFacts): Promise<boolean>
  /**
   * Whether the registry has signed all that peers say, as has to be known before a form without some versions is made: tags and ranges
   * pick others of it then. If not, nothing of that document counts any more.
   */
  isAllSigned(document: CachedDocument): Promise<boolean>
  /** Of a package that peers have lied about a moment ago: why a hash that only a client names does not count for it. */
  refusal(name: string): CatalogError | undefined
  /** Of a hash that a peer has made up: why it counts for nothing, even where no registry is meant. */
  forged(name: string, integrity: string): CatalogError | undefined
  /** A client is given it: one that was kept over a restart may not have been looked through yet. */
  given(document: CachedDocument): void
  close(): void
}

export interface PeerEvidenceDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly trustedKeys: TrustedKeys
  readonly dropped: DroppedDocuments
  readonly distrust: Members['distrust']
  readonly log: Logger
}

type NotSigned = Exclude<SignatureVerdict, { verdict: 'signed' }>

export interface PeerEvidenceOptions {
  readonly maxBytes: number
  /** So long after the last use documents are looked through. */
  readonly quietMs?: number
}

const QUIET_MS = 5_000
/** Documents to be looked through; the signatures of others are verified when they are used. */
const MAX_WAITING = 10_000
/** Packages that were lied about, and for how long. */
const MAX_REFUSED = 1_000
const REFUSED_MS = 3_600_000

export function createPeerEvidence(
  deps: PeerEvidenceDependencies,
  options: PeerEvidenceOptions,
): PeerEvidence {
  const evidence = new EvidenceOfPeers(deps, options)
  deps.cache.watch(evidence, 0)
  return evidence
}

class EvidenceOfPeers implements PeerEvidence {
  readonly #deps: PeerEvidenceDependencies
  readonly #maxBytes: number
  readonly #quietMs: number
  readonly #refused = new LRUCache<string, CatalogError>({ max: MAX_REFUSED, ttl: REFUSED_MS })
  readonly #forged = new LRUCache<string, CatalogError>({ max: MAX_REFUSED, ttl: REFUSED_MS })
  /** Documents that have been looked through. */
  readonly #examined = new LRUCache<string, true>({
    maxSize: MAX_WAITING,
    sizeCalculation: () => 1,
  })
  /** What comes of each that is being looked through. */
  readonly #examining = new Map<string, Promise<string | undefined>>()
  /** By their ids. */
  readonly #waiting = new Map<string, CachedDocument>()
  #usedAtMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(deps: PeerEvidenceDependencies, { maxBytes, quietMs }: PeerEvidenceOptions) {
    this.#deps = deps
    this.#maxBytes = maxBytes
    this.#quietMs = quietMs ?? QUIET_MS
  }

  async isSigned(document: CachedDocument, facts: VersionFacts): Promise<boolean> {
    this.#usedAtMs = performance.now()
    const { trustedKeys } = this.#deps
    const { registry, name } = document
    const found = await judgeSignatures(trustedKeys, registry, { name, ...facts })
    if (found.verdict === 'signed') return true
    if (document.member !== undefined) return this.#isMembersWord(document, found)
    await this.#examine(document)
    const why = `${name}@${facts.version}, as a peer told of it, ${found.why}`
    this.#forged.set(`${name} ${facts.integrity}`, await this.#distrust(document, why))
    return false
  }

  async isAllSigned(document: CachedDocument): Promise<boolean> {
    const isOfPeers = document.peerFetchedAtMs !== undefined
    if (!isOfPeers || this.#examined.has(keyOf(document))) return true
    return await this.#lookThrough(document)
  }

  refusal(name: string): CatalogError | undefined {
    return this.#refused.get(name)
  }

  forged(name: string, integrity: string): CatalogError | undefined {
    return this.#forged.get(`${name} ${integrity}`)
  }

  given(document: CachedDocument): void {
    const isOfPeers = document.peerFetchedAtMs !== undefined // seldom; this is asked of every answer
    if (isOfPeers && !this.#examined.has(keyOf(document))) this.saved(document)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#waiting.clear()
  }

  /** Of the cache: a new document. */
  saved(document: CachedDocument): void {
    if (document.peerFetchedAtMs === undefined || this.#waiting.size >= MAX_WAITING) return
    this.#usedAtMs = performance.now()
    this.#waiting.set(document.id, document)
    this.#wait()
  }

  removed({ id }: CachedDocument): void {
    this.#waiting.delete(id)
  }

  /** It is as good as the registry's where nobody can tell; else the registry itself is asked from now on. */
  #isMembersWord(document: CachedDocument, { verdict, why }: NotSigned): boolean {
    if (verdict === 'no-keys') return true
    const { registry, name, member = '' } = document
    this.#deps.cache.remove(document)
    this.#deps.distrust({ registry, name, member }, { why, isLie: verdict === 'false' })
    return false
  }

  /** Until it has been quiet. */
  #wait(): void {
    if (this.#isClosed || this.#timer !== undefined) return
    const leftMs = Math.max(0, this.#quietMs - (performance.now() - this.#usedAtMs))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (performance.now() - this.#usedAtMs < this.#quietMs) return this.#wait()
      this.#examineNext()
        .catch((error: unknown) => this.#deps.log.debug('packuments.not-examined', { error }))
        .finally(() => this.#waiting.size > 0 && this.#wait())
    }, leftMs)
    this.#timer.unref()
  }

  async #examineNext(): Promise<void> {
    const [next] = this.#waiting.values()
    if (next === undefined) return
    await this.#lookThrough(next)
  }

  /** Whether all of it is signed. */
  async #lookThrough(document: CachedDocument): Promise<boolean> {
    this.#waiting.delete(document.id)
    const lie = await this.#examine(document)
    if (lie === undefined) this.#examined.set(keyOf(document), true)
    else await this.#distrust(document, lie)
    return lie === undefined
  }

  /** What is wrong with it; whoever is to blame for that is penalized. Once for all who ask meanwhile. */
  #examine(document: CachedDocument): Promise<string | undefined> {
    const key = keyOf(document)
    const running =
      this.#examining.get(key) ??
      this.#readThrough(document).finally(() => this.#examining.delete(key))
    this.#examining.set(key, running)
    return running
  }

  async #readThrough(document: CachedDocument): Promise<string | undefined> {
    const { cache, jobs, trustedKeys, node, log } = this.#deps
    const { id, hash, registry, name } = document
    const keys = await trustedKeys(registry)
    const body = await cache.bodies.read({ document: id, hash, part: 'raw' })
    if (body === undefined || keys === undefined) return undefined
    const about = { registry, name, isPrivate: false, form: undefined, abbreviate: false }
    const { unsigned = [] } = await jobs.run({
      ...{ ...about, body, codings: ['gzip'], maxBytes: this.#maxBytes, ingest: false },
      examine: keys,
    })
    for (const { version, peer } of unsigned) {
      const problem = `${name}@${version}: its document has a false signature`
      log.warn('packuments.false', { peer, name, problem })
      if (peer !== '') node.questions.penalize(peer, problem)
    }
    const [first] = unsigned
    return first && `${name}@${first.version}, as a peer told of it, has a false signature`
  }

  async #distrust(document: CachedDocument, what: string): Promise<CatalogError> {
    const { name } = document
    await dropDocument(this.#deps, document)
    const hint =
      'that metadata is dropped: install again, without what a lockfile has noted of this package since it came'
    const refusal = new CatalogError('PEER_MISBEHAVED', what, { name, hint })
    this.#refused.set(name, refusal)
    return refusal
  }
}

function keyOf({ id, hash }: CachedDocument): string {
  return `${id} ${hash}`
}
