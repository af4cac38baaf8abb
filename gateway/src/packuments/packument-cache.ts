/**
 * What is known of packuments: one document per package, registry and owner, as a row in the index and bodies in body-files.ts.
 * The abbreviated form is made of the full document where that is the one at hand, so the two never disagree. A document
 * fetched with credentials belongs to their owner (`owner` is the credentials' fingerprint) and is never found by anyone else.
 * All that is on disk counts against one quota.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
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
import type { Aged, Freshness } from './freshness.ts'

export type Visibility = Origin['visibility']

export type PackumentKind = 'full' | 'abbreviated'

export interface DocumentKey {
  /** The registry's URL. */
  readonly registry: string
  readonly name: string
  /** Fingerprint of the credentials that were needed; empty: anyone may see it. */
  readonly owner: string
}

export interface CachedDocument extends DocumentKey, Aged {
  /** Names its folder of bodies. */
  readonly id: string
  readonly kind: PackumentKind
  /** Of upstream's text: two documents with one hash are the same. */
  readonly hash: string
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** No URL in it changes for clients whose policy is `leave`. */
  readonly publicUrls: boolean
}

export interface SavedForm {
  readonly part: string
  readonly gzipped: Uint8Array
  /** false: in memory only. */
  readonly isKept: boolean
}

export interface PackumentCache {
  find(key: DocumentKey): CachedDocument | undefined
  /**
   * All documents of a package that one of `owners` may see, in their order, then the latest confirmed.
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
  /** What upstream said of it since. */
  update(document: CachedDocument, aged: Aged): CachedDocument
  remove(document: CachedDocument): void
  /** Marks every document of this package as changed, also one that is being fetched just now. */
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
  confirmed_ms: number
  lifetime_ms: number | null
  freshness: Freshness
  public_urls: number
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS packuments (
    id TEXT PRIMARY KEY, registry TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL,
    hash TEXT NOT NULL, etag TEXT, last_modified TEXT, confirmed_ms INTEGER NOT NULL, lifetime_ms INTEGER,
    freshness TEXT NOT NULL, public_urls INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS forms (
    document TEXT NOT NULL, part TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (document, part)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS packuments_by_name ON packuments (name, registry);
  CREATE INDEX IF NOT EXISTS packuments_by_age ON packuments (confirmed_ms);
  DROP TABLE IF EXISTS documents;
`
/** Where bodies lay while each form was a document of its own. */
const OLD_FOLDER = 'documents-v1'

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
  const folder = path === undefined ? undefined : join(path, 'documents-v2')
  const bodies = createBodyFiles(
    { ...deps, now: () => performance.now() },
    { ...options, path: folder },
  )
  const sql = {
    find: database.prepare('SELECT * FROM packuments WHERE id = ?'),
    byName: database.prepare('SELECT * FROM packuments WHERE name = ?'),
    owners: database.prepare('SELECT owner FROM packuments WHERE name = ? AND registry = ?'),
    save: database.prepare('INSERT OR REPLACE INTO packuments VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)'),
    update: database.prepare(
      'UPDATE packuments SET confirmed_ms = ?, lifetime_ms = ?, freshness = ? WHERE id = ?',
    ),
    remove: database.prepare('DELETE FROM packuments WHERE id = ?'),
    expire: database.prepare("UPDATE packuments SET freshness = 'changed' WHERE name = ?"),
    expireAll: database.prepare("UPDATE packuments SET freshness = 'changed'"),
    oldest: database.prepare('SELECT id FROM packuments ORDER BY confirmed_ms LIMIT 50'),
    form: database.prepare('SELECT bytes FROM forms WHERE document = ? AND part = ?'),
    forms: database.prepare('SELECT total(bytes) AS bytes FROM forms WHERE document = ?'),
    saveForm: database.prepare('INSERT OR REPLACE INTO forms VALUES (?, ?, ?)'),
    removeForms: database.prepare('DELETE FROM forms WHERE document = ?'),
  }
  const idOf = (key: DocumentKey): string => `${options.idPrefix ?? ''}${documentId(key)}`
  let total = totalIn(database)
  // Never the same number twice, so that one that was thrown out counts as changed.
  const epochs = new LRUCache<string, number>({ max: MAX_EPOCHS })
  let epoch = 0
  let epochOfAll = 0

  function evict(newest: string): void {
    if (total <= options.quotaBytes) return
    for (const { id } of sql.oldest.all() as { id: string }[]) {
      if (id !== newest && total > options.quotaBytes) remove({ id })
    }
  }

  function removeForms(id: string): void {
    total -= (sql.forms.get(id) as { bytes: number }).bytes
    sql.removeForms.run(id)
  }

  function remove({ id }: { readonly id: string }): void {
    const row = sql.find.get(id) as { bytes: number } | undefined
    total -= row?.bytes ?? 0
    removeForms(id)
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
            owners.indexOf(a.owner) - owners.indexOf(b.owner) || b.confirmed_ms - a.confirmed_ms,
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
      const { registry, name, owner, kind, hash, etag, lastModified } = document
      const before = sql.find.get(id) as { bytes: number; hash: string } | undefined
      if (before?.hash !== hash) removeForms(id)
      sql.save.run(
        ...[id, registry, name, owner, kind, hash, etag ?? null, lastModified ?? null],
        ...[document.confirmedAtMs, document.lifetimeMs ?? null, document.freshness],
        ...[Number(document.publicUrls), bytes],
      )
      total += bytes - (before?.bytes ?? 0)
      evict(id)
      return { ...document, id }
    },
    async saveForm({ id, hash }, { part, gzipped, isKept }) {
      const at = { document: id, hash, part }
      if (!isKept) return bodies.remember(at, gzipped)
      const before = sql.form.get(id, part) as { bytes: number } | undefined
      sql.saveForm.run(id, part, gzipped.byteLength)
      total += gzipped.byteLength - (before?.bytes ?? 0)
      await bodies.write(at, gzipped)
      evict(id)
    },
    update(document, { confirmedAtMs, lifetimeMs, freshness }) {
      sql.update.run(confirmedAtMs, lifetimeMs ?? null, freshness, document.id)
      return { ...document, confirmedAtMs, lifetimeMs, freshness }
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
    if (path !== undefined) {
      const old = join(path, OLD_FOLDER)
      rm(old, { recursive: true, force: true }).catch(() => undefined) // the next start tries again
    }
    return { database, path }
  } catch (error) {
    database?.close()
    if (path === undefined || isCatalogError(error, 'STORE_LOCKED')) throw error
    log.warn('metadata.in-memory', { path, error, effect: 'it is forgotten at the end' })
    return openIndex(log, undefined)
  }
}

function totalIn(database: Database): number {
  const sum = (table: string): number => {
    const row = database.prepare(`SELECT coalesce(sum(bytes), 0) AS bytes FROM ${table}`).get()
    return (row as { bytes: number }).bytes
  }
  return sum('packuments') + sum('forms')
}

function documentId(key: DocumentKey): string {
  const text = [key.registry, key.name, key.owner].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 40)
}

function toDocument(row: Row): CachedDocument {
  const { id, registry, name, kind, owner, hash, freshness } = row
  return {
    ...{ id, registry, name, kind, owner, hash, freshness },
    etag: row.etag ?? undefined,
    lastModified: row.last_modified ?? undefined,
    confirmedAtMs: row.confirmed_ms,
    lifetimeMs: row.lifetime_ms ?? undefined,
    publicUrls: row.public_urls === 1,
  }
}
