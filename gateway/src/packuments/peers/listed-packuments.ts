/**
 * What this node tells peers of metadata: lists the packages whose documents its cache has from the registry itself, if they
 * are public and it can verify them, and answers peers that ask for one. Gives signed versions only, and never what it has from
 * another peer: each peer answers for its own word.
 */
import PQueue from 'p-queue'
import {
  isCatalogError,
  packageKeyOf,
  type Answering,
  type CatalogNode,
  type Logger,
  type NameKey,
} from '@catalog-p2p/core'
import type { CachedDocument, DocumentKey } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { TrustedKeys } from '../../keys/trusted-keys.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import { createSingleFlight } from '../../single-flight.ts'
import type { Registries } from '../../upstream/registries.ts'
import {
  MAX_DOCUMENT_BYTES,
  PACKUMENTS,
  type PackumentRequestMessage,
  type PackumentResponseMessage,
} from './packument-protocol.ts'
import { makeSigned } from './make-signed.ts'
import { isAmong } from './peer-validator.ts'

export interface ListedPackumentsDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly registries: Registries
  readonly trustedKeys: TrustedKeys
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}

/** About 200 bytes of memory each; the latest confirmed are listed. */
const MAX_LISTED = 100_000
const MAX_STREAMS_PER_PEER = 8
/** Peers whose document has to be made yet; others get none. */
const MAX_WAITING = 256
const SMALL_BYTES = 4 * 1024
/** In the cache, beside the document that it was made of. */
const SIGNED_PART = 'signed'

/** Lists and answers until the result is stopped. */
export function listPackuments(
  deps: ListedPackumentsDependencies,
  options: { readonly maxBytes: number },
): Pick<Answering, 'stop'> {
  const listed = new ListedPackuments(deps, options)
  deps.cache.watch(listed, MAX_LISTED)
  const answering = deps.node.questions.answer(PACKUMENTS, {
    maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
    bytesFor: ({ key }) => listed.bytesFor(key),
    answer: (request, { signal }) => listed.answer(request, signal),
  })
  return {
    async stop() {
      listed.withdrawAll()
      await answering.stop()
    },
  }
}

class ListedPackuments {
  readonly #deps: ListedPackumentsDependencies
  readonly #maxBytes: number
  readonly #listed = new Map<NameKey, DocumentKey>()
  #isStopped = false
  /** One at a time: what peers want must not keep this machine's clients waiting. */
  readonly #work = new PQueue({ concurrency: 1 })
  readonly #making = createSingleFlight<Buffer | undefined>()

  constructor(deps: ListedPackumentsDependencies, { maxBytes }: { maxBytes: number }) {
    this.#deps = deps
    this.#maxBytes = maxBytes
  }

  saved(document: CachedDocument): void {
    if (document.peerFetchedAtMs !== undefined) return // another's word
    if (!this.#mayShare(document)) return this.removed(document)
    this.#list(document).catch((error: unknown) =>
      this.#deps.log.debug('packuments.not-listed', { error }),
    )
  }

  removed(document: CachedDocument): void {
    if (document.peerFetchedAtMs !== undefined) return
    const key = packageKeyOf(document)
    if (this.#listed.delete(key)) this.#deps.node.questions.withdraw(key)
  }

  withdrawAll(): void {
    this.#isStopped = true
    for (const key of this.#listed.keys()) this.#deps.node.questions.withdraw(key)
    this.#listed.clear()
  }

  /** What its answer may take: no more than the document that it is made of, and a little for what is added to a small one. */
  bytesFor(key: NameKey): number {
    const at = this.#listed.get(key)
    return at === undefined ? 0 : this.#deps.cache.bytesOf(at) + SMALL_BYTES
  }

  async answer(
    { key, known }: PackumentRequestMessage,
    signal: AbortSignal,
  ): Promise<PackumentResponseMessage | undefined> {
    const at = this.#listed.get(key)
    const document = at && this.#deps.cache.find(at)
    // It may have become private since it was listed.
    if (document === undefined || !this.#mayShare(document)) return undefined
    if (this.#work.size >= MAX_WAITING) return undefined
    const make = (): Promise<Buffer | undefined> => this.#work.add(() => this.#signedPart(document))
    const body = await this.#making.run(`${document.id} ${document.hash}`, make, signal)
    if (body === undefined || body.byteLength > MAX_DOCUMENT_BYTES) return undefined
    const isKnown = known.length > 0 && isAmong(known, body)
    return { fetchedAtMs: document.confirmedAtMs, document: isKnown ? Buffer.of() : body }
  }

  #mayShare({ registry, name, owner, peerFetchedAtMs, member }: CachedDocument): boolean {
    const { registries, isKnownPublic } = this.#deps
    if (owner !== '' || peerFetchedAtMs !== undefined || member !== undefined) return false
    try {
      return registries.homeOf(name).url === registry && isKnownPublic(name)
    } catch (error) {
      // It belongs to a scope whose registry is not known any more.
      if (isCatalogError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  async #list(document: CachedDocument): Promise<void> {
    const { cache, node, trustedKeys } = this.#deps
    const key = packageKeyOf(document)
    if (this.#listed.has(key) || this.#listed.size >= MAX_LISTED) return
    const keys = await trustedKeys(document.registry)
    if (this.#isStopped || keys === undefined) return
    // It may be gone by now.
    if (cache.find(document)?.hash !== document.hash) return
    const { registry, name, owner } = document
    this.#listed.set(key, { registry, name, owner })
    node.questions.announce(key)
  }

  /** Made once for each document; undefined: nothing of it is signed, or the cache has lost it. */
  async #signedPart(document: CachedDocument): Promise<Buffer | undefined> {
    const { cache, jobs, trustedKeys } = this.#deps
    const { id, hash, registry, name } = document
    const kept = await cache.bodies.read({ document: id, hash, part: SIGNED_PART })
    if (kept !== undefined) return kept
    const raw = await cache.bodies.read({ document: id, hash, part: 'raw' })
    const keys = await trustedKeys(registry)
    if (raw === undefined || keys === undefined) return undefined
    const maxBytes = this.#maxBytes
    const documents = [{ peer: '', body: raw }]
    const signed = await makeSigned(jobs, {
      ...{ registry, name, keys, documents, maxBytes, isStrict: false },
    })
    if (signed.body === undefined) return undefined
    await cache.saveForm(document, { part: SIGNED_PART, gzipped: signed.body, isKept: true })
    return Buffer.from(signed.body)
  }
}
