/**
 * What is known of packuments: one document per package, registry and owner, as a row in the index and bodies in body-files.ts.
 * The abbreviated form is made of the full document where that is the one at hand, so the two never disagree. A document
 * fetched with credentials belongs to their owner (`owner` is the credentials' fingerprint) and is never found by anyone else.
 * All that is on disk counts against one quota. Asks no registry and reads no document.
 */
import { hash as hashOnce } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isCatalogError, openDatabase, type Database, type Logger } from '@catalog-p2p/core'
import { LRUCache } from 'lru-cache'
import { createBodyFiles, type BodyFiles } from './body-files.ts'
import type {
  CachedDocument,
  Confirmed,
  DocumentKey,
  SaidBy,
  Visibility,
} from './cached-document.ts'
import { ChangeEpochs } from '../change-epochs.ts'
import { PackumentRows } from './packument-rows.ts'

export interface SavedForm {
  readonly part: string
  readonly gzipped: Uint8Array
  /** false: in memory only. */
  readonly isKept: boolean
}

/** Hears of documents that anybody may see. */
export interface CacheWatcher {
  saved(document: CachedDocument): void
  removed(document: CachedDocument): void
}

export interface PackumentCache {
  /** The registry's own by default. */
  find(key: DocumentKey, by?: SaidBy): CachedDocument | undefined
  /** Of the body and the version list of the registry's own on disk; 0 when it is not there. */
  bytesOf(key: DocumentKey): number
  /**
   * All documents of a package that one of `owners` may see, in their order, then the registry's, then the latest confirmed.
   * What peers said before the registry itself did counts no more, and is not among them.
   * Those of one registry, or, when there is none (peers only), of any.
   */
  findByName(
    registry: string | undefined,
    name: string,
    owners: readonly string[],
  ): CachedDocument[]
  /** Whether anyone may see it, as far as it was ever asked for; undefined when it was not. */
  visibilityOf(registry: string, name: string): Visibility | undefined
  save(document: Omit<CachedDocument, 'id'>, bytes: number): CachedDocument
  /** A form of its body, with tarball URLs for some clients. Counts against the quota where it is kept. */
  saveForm(document: CachedDocument, form: SavedForm): Promise<void>
  /** What upstream, or peers, said of it since. */
  update(document: CachedDocument, said: Confirmed): CachedDocument
  remove(document: CachedDocument): void
  /** Marks every document of this package as changed, also one that is being fetched just now. */
  expire(name: string): void
  expireAll(): void
  /** Removes all documents of a package, whosever they are. */
  forget(name: string): void
  /** Changes whenever documents of this package expire: what was fetched before is then old. */
  epochOf(name: string): number
  /** Tells of open documents from now on, first of those at hand, at most `limit` of them. */
  watch(watcher: CacheWatcher, limit: number): void
  readonly bodies: BodyFiles
  readonly database: Database
  close(): Promise<void>
}

/** In the store's folder. */
export const METADATA_FILE = 'metadata-v1.db'
/** Of bodies, in the same folder. */
const BODIES_FOLDER = 'documents-v3'
/** The same of an earlier version. */
const OLD_FOLDER = 'documents-v2'
/** Of documents: hashing takes longer than all else that finds one at hand. */
const MAX_REMEMBERED_IDS = 8_192

export interface PackumentCacheOptions {
  readonly path: string | undefined
  readonly memoryBytes: number
  readonly quotaBytes: number
  readonly maxBytes: number
  /** Of the ids of its documents, where two caches stand side by side; for file names. */
  readonly idPrefix?: string
}

/** @throws CatalogError STORE_LOCKED when another gateway uses the folder */
export async function openPackumentCache(
  deps: { log: Logger },
  options: PackumentCacheOptions,
): Promise<PackumentCache> {
  const { database, rows, path } = await openIndex(deps.log, options.path)
  const bodies = createBodyFiles(
    { ...deps, now: () => performance.now() },
    { ...options, path: path === undefined ? undefined : join(path, BODIES_FOLDER) },
  )
  return new IndexedCache({ database, rows, bodies }, options)
}

class IndexedCache implements PackumentCache {
  readonly database: Database
  readonly bodies: BodyFiles
  readonly #rows: PackumentRows
  readonly #quotaBytes: number
  readonly #idPrefix: string
  readonly #ids = new LRUCache<string, string>({
    maxSize: MAX_REMEMBERED_IDS,
    sizeCalculation: () => 1,
  })
  readonly #epochs = new ChangeEpochs()
  readonly #watchers: CacheWatcher[] = []

  constructor(
    { database, rows, bodies }: { database: Database; rows: PackumentRows; bodies: BodyFiles },
    { quotaBytes, idPrefix = '' }: Pick<PackumentCacheOptions, 'quotaBytes' | 'idPrefix'>,
  ) {
    this.database = database
    this.bodies = bodies
    this.#rows = rows
    this.#quotaBytes = quotaBytes
    this.#idPrefix = idPrefix
  }

  find(key: DocumentKey, by: SaidBy = 'registry'): CachedDocument | undefined {
    // Of nearly every package there is none, and each tarball asks.
    if (by === 'peers' && !this.#rows.byName(key.name).some(isOfPeers)) return undefined
    return this.#rows.find(this.#idOf(key, by))
  }

  bytesOf(key: DocumentKey): number {
    return this.#rows.bytesOf(this.#idOf(key, 'registry'))
  }

  findByName(
    registry: string | undefined,
    name: string,
    owners: readonly string[],
  ): CachedDocument[] {
    const rank = ({ owner, peerFetchedAtMs }: CachedDocument): number =>
      owners.indexOf(owner) * 2 + Number(peerFetchedAtMs !== undefined)
    const found = this.#rows
      .byName(name)
      .filter((document) => registry === undefined || document.registry === registry)
      .filter((document) => owners.includes(document.owner))
    return withoutOldWord(found).sort(
      (a, b) => rank(a) - rank(b) || b.confirmedAtMs - a.confirmedAtMs,
    )
  }

  visibilityOf(registry: string, name: string): Visibility | undefined {
    const documents = this.#rows.givenBy(registry, name)
    if (documents.length === 0) return undefined
    return documents.some(({ owner }) => owner === '') ? 'public' : 'private'
  }

  save(facts: Omit<CachedDocument, 'id'>, bytes: number): CachedDocument {
    const by = facts.peerFetchedAtMs === undefined ? 'registry' : 'peers'
    const document = { ...facts, id: this.#idOf(facts, by) }
    this.#rows.save(document, bytes)
    if (document.owner === '') for (const watcher of this.#watchers) watcher.saved(document)
    this.#evict(document.id)
    return document
  }

  async saveForm(
    { id, hash }: CachedDocument,
    { part, gzipped, isKept }: SavedForm,
  ): Promise<void> {
    const key = { document: id, hash, part }
    if (!isKept) return this.bodies.remember(key, gzipped)
    this.#rows.saveForm(id, part, gzipped.byteLength)
    await this.bodies.write(key, gzipped)
    this.#evict(id)
  }

  update(document: CachedDocument, said: Confirmed): CachedDocument {
    const { confirmedAtMs, lifetimeMs, freshness } = said
    const { peerFetchedAtMs = document.peerFetchedAtMs } = said
    this.#rows.update(document, said)
    return { ...document, confirmedAtMs, lifetimeMs, freshness, peerFetchedAtMs }
  }

  remove({ id }: { readonly id: string }): void {
    const document = this.#watchers.length > 0 ? this.#rows.find(id) : undefined
    this.#rows.remove(id)
    this.bodies.clear(id)
    if (document?.owner === '') for (const watcher of this.#watchers) watcher.removed(document)
  }

  watch(watcher: CacheWatcher, limit: number): void {
    this.#watchers.push(watcher)
    for (const document of this.#rows.open(limit)) watcher.saved(document)
  }

  expire(name: string): void {
    this.#epochs.changed(name)
    this.#rows.markChanged(name)
  }

  expireAll(): void {
    this.#epochs.allChanged()
    this.#rows.markAllChanged()
  }

  forget(name: string): void {
    this.#epochs.changed(name)
    for (const document of this.#rows.byName(name)) this.remove(document)
  }

  epochOf(name: string): number {
    return this.#epochs.of(name)
  }

  async close(): Promise<void> {
    await this.bodies.flush()
    this.database.close()
  }

  #idOf({ registry, name, owner }: DocumentKey, by: SaidBy): string {
    const text = `${registry}\n${name}\n${owner}${by === 'peers' ? '\npeers' : ''}`
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const hash = hashOnce('sha256', text, 'hex')
    const id = `${this.#idPrefix}${hash.slice(0, 40)}`
    this.#ids.set(text, id)
    return id
  }

  /** Removes what was confirmed longest ago, never the document that has just come. */
  #evict(newest: string): void {
    if (this.#rows.bytes <= this.#quotaBytes) return
    for (const id of this.#rows.oldest()) {
      if (id !== newest && this.#rows.bytes > this.#quotaBytes) this.remove({ id })
    }
  }
}

function isOfPeers({ peerFetchedAtMs }: CachedDocument): boolean {
  return peerFetchedAtMs !== undefined
}

/** Without what peers said before the same registry did. */
function withoutOldWord(documents: readonly CachedDocument[]): CachedDocument[] {
  const own = documents.filter(({ peerFetchedAtMs }) => peerFetchedAtMs === undefined)
  return documents.filter(
    ({ peerFetchedAtMs, confirmedAtMs, registry }) =>
      peerFetchedAtMs === undefined ||
      !own.some((each) => each.registry === registry && each.confirmedAtMs >= confirmedAtMs),
  )
}

/** In memory where the folder can't be used: what was known of packages is asked for anew. */
async function openIndex(
  log: Logger,
  path: string | undefined,
): Promise<{ database: Database; rows: PackumentRows; path: string | undefined }> {
  let database: Database | undefined
  try {
    database = await openDatabase(path === undefined ? ':memory:' : join(path, METADATA_FILE))
    const rows = new PackumentRows(database)
    if (path !== undefined) {
      const old = join(path, OLD_FOLDER)
      rm(old, { recursive: true, force: true }).catch(() => undefined) // the next start tries again
    }
    return { database, rows, path }
  } catch (error) {
    database?.close()
    if (path === undefined || isCatalogError(error, 'STORE_LOCKED')) throw error
    log.warn('metadata.in-memory', { path, error, effect: 'it is forgotten at the end' })
    return openIndex(log, undefined)
  }
}
