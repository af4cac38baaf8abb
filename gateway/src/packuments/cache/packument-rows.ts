/**
 * The cache's index: one row per document and one per form of it that is kept on disk, with their sizes and the sum of these.
 * Knows no files and no quota; whatever removes a row removes the bodies, too (packument-cache.ts).
 */
import type { Database } from '@catalog-p2p/core'
import { LRUCache } from 'lru-cache'
import type { CachedDocument, Confirmed, PackumentKind } from './cached-document.ts'
import type { Freshness } from './freshness.ts'
import type { WitnessVerdict } from '../witness/verdict.ts'

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
  bytes: number
  peer_fetched_ms: number | null
  modified_ms: number | null
  /** JSON of a WitnessVerdict. */
  witness: string | null
  member: string | null
}

/** Also drops the table of a version in which each form was a document of its own. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS packuments (
    id TEXT PRIMARY KEY, registry TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL,
    hash TEXT NOT NULL, etag TEXT, last_modified TEXT, confirmed_ms INTEGER NOT NULL, lifetime_ms INTEGER,
    freshness TEXT NOT NULL, public_urls INTEGER NOT NULL, bytes INTEGER NOT NULL, peer_fetched_ms INTEGER, modified_ms INTEGER,
    witness TEXT, member TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS forms (
    document TEXT NOT NULL, part TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (document, part)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS packuments_by_name ON packuments (name, registry);
  CREATE INDEX IF NOT EXISTS packuments_by_age ON packuments (confirmed_ms);
  DROP TABLE IF EXISTS documents;
`
/** Rows that `oldest` returns, at most. */
const OLDEST_ROWS = 50

/** Rows, and ids and names that have none, remembered: a request looks each of its documents up several times. */
const REMEMBERED = { maxSize: 4_096, sizeCalculation: () => 1 }

interface Remembered {
  /** undefined: there is none. */
  readonly document: CachedDocument | undefined
  /** Without its forms. */
  readonly bytes: number
}

const NO_ROW: Remembered = { document: undefined, bytes: 0 }
const NO_DOCUMENTS: readonly CachedDocument[] = []

type Statements = ReturnType<typeof prepare>

export class PackumentRows {
  readonly #sql: Statements
  readonly #remembered = new LRUCache<string, Remembered>(REMEMBERED)
  readonly #named = new LRUCache<string, readonly CachedDocument[]>(REMEMBERED)
  #bytes: number
  /** Nothing needs to be asked for then: a fresh machine installs by its lockfile. */
  #isEmpty: boolean

  /** Throws what SQLite throws where the database cannot be written. */
  constructor(database: Database) {
    database.exec(SCHEMA)
    addColumns(database)
    this.#sql = prepare(database)
    this.#bytes = totalIn(database)
    this.#isEmpty = this.oldest().length === 0
  }

  /** Of all documents and forms. */
  get bytes(): number {
    return this.#bytes
  }

  find(id: string): CachedDocument | undefined {
    return this.#row(id).document
  }

  /** Of a document, without its forms; 0 when it is not there. */
  bytesOf(id: string): number {
    return this.#row(id).bytes
  }

  byName(name: string): readonly CachedDocument[] {
    if (this.#isEmpty) return NO_DOCUMENTS
    const known = this.#named.get(name)
    if (known !== undefined) return known
    const found = (this.#sql.byName.all(name) as unknown as Row[]).map(toDocument)
    this.#named.set(name, found)
    return found
  }

  /** Those that anybody may see, the latest confirmed first. */
  open(limit: number): CachedDocument[] {
    return (this.#sql.open.all(limit) as unknown as Row[]).map(toDocument)
  }

  /** Of that package the registry has given us. */
  givenBy(registry: string, name: string): readonly CachedDocument[] {
    return this.byName(name).filter(
      (document) => document.registry === registry && document.peerFetchedAtMs === undefined,
    )
  }

  /** Ids of the documents that were confirmed longest ago. */
  oldest(): string[] {
    return (this.#sql.oldest.all(OLDEST_ROWS) as { id: string }[]).map(({ id }) => id)
  }

  /** Forms of another content than this one's are forgotten. */
  save(document: CachedDocument, bytes: number): void {
    const { id, registry, name, owner, kind, hash, etag, lastModified } = document
    const before = this.#row(id)
    if (before.document?.hash !== hash) this.#removeForms(id)
    this.#sql.save.run(
      ...[id, registry, name, owner, kind, hash, etag ?? null, lastModified ?? null],
      ...[document.confirmedAtMs, document.lifetimeMs ?? null, document.freshness],
      ...[Number(document.publicUrls), bytes, document.peerFetchedAtMs ?? null],
      document.modifiedAtMs ?? null,
      document.witness === undefined ? null : JSON.stringify(document.witness),
      document.member ?? null,
    )
    this.#isEmpty = false
    this.#forget(document)
    this.#bytes += bytes - before.bytes
  }

  saveForm(id: string, part: string, bytes: number): void {
    const before = this.#sql.form.get(id, part) as { bytes: number } | undefined
    this.#sql.saveForm.run(id, part, bytes)
    this.#bytes += bytes - (before?.bytes ?? 0)
  }

  /** Of that text and whose it was: another may have come since it was asked about. */
  update(document: CachedDocument, said: Confirmed): void {
    const { id, hash, member } = document
    const { confirmedAtMs, lifetimeMs, freshness, peerFetchedAtMs } = said
    const given = [confirmedAtMs, lifetimeMs ?? null, freshness, peerFetchedAtMs ?? null]
    this.#sql.update.run(...given, id, hash, member ?? null)
    this.#forget(document)
  }

  remove(id: string): void {
    const { document, bytes } = this.#row(id)
    this.#bytes -= bytes
    this.#removeForms(id)
    this.#sql.remove.run(id)
    if (document !== undefined) this.#forget(document)
  }

  markChanged(name: string): void {
    this.#sql.markChanged.run(name)
    this.#forgetAll()
  }

  markAllChanged(): void {
    this.#sql.markAllChanged.run()
    this.#forgetAll()
  }

  #row(id: string): Remembered {
    if (this.#isEmpty) return NO_ROW
    const remembered = this.#remembered.get(id)
    if (remembered !== undefined) return remembered
    const row = this.#sql.find.get(id) as Row | undefined
    const found = { document: row && toDocument(row), bytes: row?.bytes ?? 0 }
    this.#remembered.set(id, found)
    return found
  }

  #forget({ id, name }: Pick<CachedDocument, 'id' | 'name'>): void {
    this.#remembered.delete(id)
    this.#named.delete(name)
  }

  #forgetAll(): void {
    this.#remembered.clear()
    this.#named.clear()
  }

  #removeForms(id: string): void {
    this.#bytes -= (this.#sql.formBytes.get(id) as { bytes: number }).bytes
    this.#sql.removeForms.run(id)
  }
}

function prepare(database: Database) {
  const sql = (text: string): ReturnType<Database['prepare']> => database.prepare(text)
  return {
    find: sql('SELECT * FROM packuments WHERE id = ?'),
    byName: sql('SELECT * FROM packuments WHERE name = ?'),
    open: sql("SELECT * FROM packuments WHERE owner = '' ORDER BY confirmed_ms DESC LIMIT ?"),
    oldest: sql('SELECT id FROM packuments ORDER BY confirmed_ms LIMIT ?'),
    save: sql('INSERT OR REPLACE INTO packuments VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)'),
    update: sql(
      `UPDATE packuments SET confirmed_ms = ?, lifetime_ms = ?, freshness = ?,
        peer_fetched_ms = coalesce(?, peer_fetched_ms) WHERE id = ? AND hash = ? AND member IS ?`,
    ),
    remove: sql('DELETE FROM packuments WHERE id = ?'),
    markChanged: sql("UPDATE packuments SET freshness = 'changed' WHERE name = ?"),
    markAllChanged: sql("UPDATE packuments SET freshness = 'changed'"),
    form: sql('SELECT bytes FROM forms WHERE document = ? AND part = ?'),
    formBytes: sql('SELECT total(bytes) AS bytes FROM forms WHERE document = ?'),
    saveForm: sql('INSERT OR REPLACE INTO forms VALUES (?, ?, ?)'),
    removeForms: sql('DELETE FROM forms WHERE document = ?'),
  }
}

/** Of an index that an earlier version has written. */
function addColumns(database: Database): void {
  const columns = database.prepare('PRAGMA table_info(packuments)').all() as { name: string }[]
  const added = ['peer_fetched_ms INTEGER', 'modified_ms INTEGER', 'witness TEXT', 'member TEXT']
  for (const column of added) {
    if (columns.some(({ name }) => column.startsWith(`${name} `))) continue
    database.exec(`ALTER TABLE packuments ADD COLUMN ${column}`)
  }
}

function totalIn(database: Database): number {
  const sum = (table: string): number => {
    const row = database.prepare(`SELECT coalesce(sum(bytes), 0) AS bytes FROM ${table}`).get()
    return (row as { bytes: number }).bytes
  }
  return sum('packuments') + sum('forms')
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
    peerFetchedAtMs: row.peer_fetched_ms ?? undefined,
    modifiedAtMs: row.modified_ms ?? undefined,
    member: row.member ?? undefined,
    witness: row.witness === null ? undefined : (JSON.parse(row.witness) as WitnessVerdict),
  }
}
