/**
 * What is known of packuments: a row each in the index, bodies in body-files.ts. A document fetched with credentials
 * belongs to their owner (`owner` is the credentials' fingerprint) and is never found by anyone else.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import {
  isCatalogError,
  openDatabase,
  type Database,
  type Logger,
  type Origin,
} from '@catalog-p2p/core'
import { createBodyFiles, type BodyFiles } from './body-files.ts'

export type Visibility = Origin['visibility']

export type PackumentKind = 'full' | 'abbreviated'

export interface DocumentKey {
  /** The registry's URL. */
  readonly registry: string
  readonly name: string
  readonly kind: PackumentKind
  /** Fingerprint of the credentials that were needed; empty: anyone may see it. */
  readonly owner: string
}

export interface CachedDocument extends DocumentKey {
  /** Names its folder of bodies. */
  readonly id: string
  /** Of upstream's text: two documents with one hash are the same. */
  readonly hash: string
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** When upstream last said that this is current; Unix time. 0: ask before using it. */
  readonly checkedAtMs: number
  /** No URL in it changes for clients whose policy is `leave`. */
  readonly publicUrls: boolean
}

export interface PackumentCache {
  find(key: DocumentKey): CachedDocument | undefined
  /**
   * All documents of a package that one of `owners` may see, in their order, then the latest checked.
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
  /** Upstream said that it is still current. */
  touch(document: CachedDocument, checkedAtMs: number): CachedDocument
  remove(document: CachedDocument): void
  /** Ask upstream before any document of this package is used again, also one that is being fetched just now. */
  expire(name: string): void
  expireAll(): void
  /** Removes all documents of a package, whosever they are. */
  forget(name: string): void
  /** Changes whenever documents of this package expire: what was fetched before is then old. */
  epochOf(name: string): number
  readonly bodies: BodyFiles
  readonly database: Database
  close(): Promise<void>
}

interface Row {
  id: string
  registry: string
  name: string
  kind: PackumentKind
  owner: string
  hash: string
  etag: string | null
  last_modified: string | null
  checked_ms: number
  public_urls: number
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, registry TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, owner TEXT NOT NULL,
    hash TEXT NOT NULL, etag TEXT, last_modified TEXT, checked_ms INTEGER NOT NULL, public_urls INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS documents_by_name ON documents (name, registry);
  CREATE INDEX IF NOT EXISTS documents_by_age ON documents (checked_ms);
`

/** In the store's folder. */
export const METADATA_FILE = 'metadata-v1.db'
/** Packages changed through this gateway whose change is remembered, at most. */
const MAX_EPOCHS = 10_000

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
  const { database, path } = await openIndex(deps.log, options.path)
  const folder = path === undefined ? undefined : join(path, 'documents-v1')
  const bodies = createBodyFiles(
    { ...deps, now: () => performance.now() },
    { ...options, path: folder },
  )
  const sql = {
    find: database.prepare('SELECT * FROM documents WHERE id = ?'),
    byName: database.prepare('SELECT * FROM documents WHERE name = ?'),
    owners: database.prepare('SELECT owner FROM documents WHERE name = ? AND registry = ?'),
    save: database.prepare('INSERT OR REPLACE INTO documents VALUES (?,?,?,?,?,?,?,?,?,?,?)'),
    touch: database.prepare('UPDATE documents SET checked_ms = ? WHERE id = ?'),
    remove: database.prepare('DELETE FROM documents WHERE id = ?'),
    expire: database.prepare('UPDATE documents SET checked_ms = 0 WHERE name = ?'),
    expireAll: database.prepare('UPDATE documents SET checked_ms = 0'),
    total: database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM documents'),
    oldest: database.prepare('SELECT id, bytes FROM documents ORDER BY checked_ms LIMIT 50'),
  }
  const idOf = (key: DocumentKey): string => `${options.idPrefix ?? ''}${documentId(key)}`
  let total = (sql.total.get() as { bytes: number }).bytes
  // Never the same number twice, so that one that was thrown out counts as changed.
  const epochs = new LRUCache<string, number>({ max: MAX_EPOCHS })
  let epoch = 0
  let epochOfAll = 0

  function evict(newest: string): void {
    if (total <= options.quotaBytes) return
    for (const { id, bytes } of sql.oldest.all() as { id: string; bytes: number }[]) {
      if (id === newest || total <= options.quotaBytes) continue
      sql.remove.run(id)
      bodies.clear(id)
      total -= bytes
    }
  }

  function remove({ id }: { readonly id: string }): void {
    const row = sql.find.get(id) as { bytes: number } | undefined
    total -= row?.bytes ?? 0
    sql.remove.run(id)
    bodies.clear(id)
  }

  return {
    bodies,
    database,
    find(key) {
      const row = sql.find.get(idOf(key)) as Row | undefined
      return row && toDocument(row)
    },
    findByName(registry, name, owners) {
      const rows = sql.byName.all(name) as unknown as Row[]
      return rows
        .filter((row) => registry === undefined || row.registry === registry)
        .filter((row) => owners.includes(row.owner))
        .sort(
          (a, b) =>
            owners.indexOf(a.owner) - owners.indexOf(b.owner) || b.checked_ms - a.checked_ms,
        )
        .map(toDocument)
    },
    visibilityOf(registry, name) {
      const rows = sql.owners.all(name, registry) as { owner: string }[]
      if (rows.length === 0) return undefined
      return rows.some((row) => row.owner === '') ? 'public' : 'private'
    },
    save(document, bytes) {
      const id = idOf(document)
      const { registry, name, kind, owner, hash, etag, lastModified, checkedAtMs } = document
      const before = sql.find.get(id) as { bytes: number } | undefined
      sql.save.run(
        ...[id, registry, name, kind, owner, hash, etag ?? null, lastModified ?? null],
        ...[checkedAtMs, Number(document.publicUrls), bytes],
      )
      total += bytes - (before?.bytes ?? 0)
      evict(id)
      return { ...document, id }
    },
    touch(document, checkedAtMs) {
      sql.touch.run(checkedAtMs, document.id)
      return { ...document, checkedAtMs }
    },
    remove,
    expire(name) {
      epochs.set(name, ++epoch)
      sql.expire.run(name)
    },
    expireAll() {
      epochOfAll = ++epoch
      sql.expireAll.run()
    },
    forget(name) {
      epochs.set(name, ++epoch)
      for (const row of sql.byName.all(name) as unknown as Row[]) remove(row)
    },
    epochOf: (name) => Math.max(epochs.get(name) ?? 0, epochOfAll),
    async close() {
      await bodies.flush()
      database.close()
    },
  }
}

/** In memory where the folder can't be used: what was known of packages is asked for anew. */
async function openIndex(
  log: Logger,
  path: string | undefined,
): Promise<{ database: Database; path: string | undefined }> {
  let database: Database | undefined
  try {
    database = await openDatabase(path === undefined ? ':memory:' : join(path, METADATA_FILE))
    database.exec(SCHEMA)
    return { database, path }
  } catch (error) {
    database?.close()
    if (path === undefined || isCatalogError(error, 'STORE_LOCKED')) throw error
    log.warn('metadata.in-memory', { path, error, effect: 'it is forgotten at the end' })
    return openIndex(log, undefined)
  }
}

function documentId(key: DocumentKey): string {
  const text = [key.registry, key.name, key.kind, key.owner].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 40)
}

function toDocument(row: Row): CachedDocument {
  const { id, registry, name, kind, owner, hash } = row
  return {
    ...{ id, registry, name, kind, owner, hash },
    etag: row.etag ?? undefined,
    lastModified: row.last_modified ?? undefined,
    checkedAtMs: row.checked_ms,
    publicUrls: row.public_urls === 1,
  }
}
