/**
 * The store's index in SQLite: which artifacts and unfinished downloads there are. Synchronous and small: callers batch
 * changes into one transaction. Never the authority on bytes: a row without its file is dropped at start-up.
 */
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { CatalogError } from '../../errors.ts'
import { digestToBytes, type Digest } from '../../content/digest.ts'
import type { Description } from '../../content/manifest.ts'
import { checkIfSmall } from '../../disk/damage.ts'
import { openDatabase, openReadOnly, type Database } from '../../disk/database.ts'
import {
  toEntryRow,
  toManifest,
  toPartialRow,
  type EntryRow,
  type PartialRow,
  type Row,
} from './row-values.ts'

export type { EntryRow, PartialRow } from './row-values.ts'

/** What changes of a partial's row while chunks land. */
export interface PartialProgress {
  readonly digest: Digest
  readonly bitfield: Uint8Array
  readonly updatedAtMs: number
}

/** Applied in this order, in one transaction. */
export interface IndexChanges {
  readonly removed?: Iterable<Digest>
  readonly entries?: Iterable<EntryRow>
  readonly descriptions?: Iterable<Description>
  readonly synced?: Iterable<Pick<EntryRow, 'digest' | 'mark'>>
  readonly removedPartials?: Iterable<Digest>
  readonly partials?: Iterable<PartialRow>
  readonly progress?: Iterable<PartialProgress>
}

/** 2: retention, which a version that does not know of it would not keep to. */
const SCHEMA_VERSION = 2
/** Nobody hashes the leaves of a claim before its bytes have matched. */
const NO_ROOT = new Uint8Array()
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entries (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, public INTEGER NOT NULL, pinned INTEGER NOT NULL,
    added INTEGER NOT NULL, used INTEGER NOT NULL, synced INTEGER NOT NULL,
    chunk_size INTEGER, root BLOB, leaves BLOB, mark TEXT, retention TEXT NOT NULL DEFAULT 'cache');
  CREATE TABLE IF NOT EXISTS partials (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, public INTEGER NOT NULL, updated INTEGER NOT NULL,
    chunk_size INTEGER NOT NULL, root BLOB NOT NULL, leaves BLOB NOT NULL, bitfield BLOB NOT NULL);
  PRAGMA user_version = ${SCHEMA_VERSION};`

const STATEMENTS = {
  remove: 'DELETE FROM entries WHERE digest = ?',
  upsert: `INSERT INTO entries (digest, size, public, pinned, added, used, synced, mark, retention)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (digest) DO UPDATE SET size = excluded.size, public = excluded.public, pinned = excluded.pinned,
    added = excluded.added, used = excluded.used, synced = excluded.synced, mark = excluded.mark,
    retention = excluded.retention`,
  describe: 'UPDATE entries SET chunk_size = ?, root = ?, leaves = ? WHERE digest = ?',
  synced: 'UPDATE entries SET synced = 1, mark = ? WHERE digest = ?',
  removePartial: 'DELETE FROM partials WHERE digest = ?',
  upsertPartial: `INSERT OR REPLACE INTO partials (digest, size, public, updated, chunk_size, root, leaves, bitfield)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  progress: 'UPDATE partials SET bitfield = ?, updated = ? WHERE digest = ?',
  columns: "SELECT name FROM pragma_table_info('entries')",
  description:
    'SELECT size, chunk_size, root, leaves FROM entries WHERE digest = ? AND root NOTNULL',
  partials: 'SELECT * FROM partials ORDER BY updated',
  partial: 'SELECT * FROM partials WHERE digest = ?',
} as const

/** Without what can be large and is seldom needed. */
const FIRST_COLUMNS = ['digest', 'size', 'public', 'pinned', 'added', 'used', 'synced'] as const
/** Of `entries`: they came after the first version. */
const LATER_COLUMNS = { mark: 'TEXT', retention: "TEXT NOT NULL DEFAULT 'cache'" } as const

export class FsIndex {
  readonly #database: Database
  readonly #statements = new Map<keyof typeof STATEMENTS, StatementSync>()

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws CatalogError STORE_LOCKED, STORE_FAILED */
  static async open(path: string): Promise<FsIndex> {
    const database = await openDatabase(path)
    // Checkpoints sync; keep them out of the middle of an install (16 MiB of log) and make them when idle.
    return prepared(database, path, (index) => {
      checkIfSmall(database)
      database.exec(`PRAGMA wal_autocheckpoint = 4096; ${SCHEMA}`)
      index.#addColumns()
    })
  }

  /**
   * For a folder that may not be written; `apply` throws then.
   * @throws CatalogError STORE_FAILED
   */
  static async openReadOnly(path: string): Promise<FsIndex> {
    return prepared(await openReadOnly(path), path, () => undefined)
  }

  /** Least recently used first. */
  *entries(): Generator<EntryRow> {
    // An index of an earlier version, in a folder that may not be written, lacks later columns.
    const columns = [...FIRST_COLUMNS, ...this.#laterColumns()].join(', ')
    const select = this.#database.prepare(`SELECT ${columns} FROM entries ORDER BY used`)
    for (const row of select.iterate()) yield toEntryRow(row)
  }

  *partials(): Generator<PartialRow> {
    for (const row of this.#statement('partials').iterate()) yield toPartialRow(row)
  }

  partial(digest: Digest): PartialRow | undefined {
    const row = this.#statement('partial').get(digestToBytes(digest))
    return row && toPartialRow(row)
  }

  description(digest: Digest): Description | undefined {
    const row: Row | undefined = this.#statement('description').get(digestToBytes(digest))
    return row && { manifest: toManifest(digest, row), leaves: row['leaves'] as Uint8Array }
  }

  /** All or nothing. */
  apply(changes: IndexChanges): void {
    this.#database.exec('BEGIN')
    try {
      this.#applyEntries(changes)
      this.#applyPartials(changes)
      this.#database.exec('COMMIT')
    } catch (error) {
      // A full disk may have rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** Everything applied so far survives a power failure afterwards. */
  checkpoint(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#database.close()
  }

  #applyEntries(changes: IndexChanges): void {
    const run = this.#run.bind(this)
    for (const digest of changes.removed ?? []) run('remove', digestToBytes(digest))
    for (const row of changes.entries ?? []) {
      const { size, addedAtMs, usedAtMs } = row
      const flags = [Number(row.visibility === 'public'), Number(row.pinned)] as const
      run(
        'upsert',
        digestToBytes(row.digest),
        ...[size, ...flags, Math.floor(addedAtMs), Math.floor(usedAtMs), Number(row.synced)],
        row.mark ?? null,
        row.retention,
      )
    }
    for (const { manifest, leaves } of changes.descriptions ?? []) {
      const { digest, chunkSize, root } = manifest
      run('describe', chunkSize, root, leaves, digestToBytes(digest))
    }
    for (const { digest, mark } of changes.synced ?? []) {
      run('synced', mark ?? null, digestToBytes(digest))
    }
  }

  #applyPartials(changes: IndexChanges): void {
    for (const digest of changes.removedPartials ?? []) {
      this.#run('removePartial', digestToBytes(digest))
    }
    for (const row of changes.partials ?? []) this.#upsertPartial(row)
    for (const { digest, bitfield, updatedAtMs } of changes.progress ?? []) {
      this.#run('progress', bitfield, Math.floor(updatedAtMs), digestToBytes(digest))
    }
  }

  #upsertPartial(row: PartialRow): void {
    const { digest, size, chunkSize } = row.geometry
    this.#run(
      'upsertPartial',
      digestToBytes(digest),
      ...[size, Number(row.visibility === 'public'), Math.floor(row.updatedAtMs), chunkSize],
      ...[NO_ROOT, row.leaves, row.bitfield],
    )
  }

  #addColumns(): void {
    const present = this.#laterColumns()
    for (const [name, definition] of Object.entries(LATER_COLUMNS)) {
      if (present.includes(name)) continue
      this.#database.exec(`ALTER TABLE entries ADD COLUMN ${name} ${definition}`)
    }
  }

  /** Those that are there. */
  #laterColumns(): string[] {
    const present = this.#statement('columns').all()
    return Object.keys(LATER_COLUMNS).filter((column) =>
      present.some(({ name }) => name === column),
    )
  }

  #run(name: keyof typeof STATEMENTS, ...values: SQLInputValue[]): void {
    this.#statement(name).run(...values)
  }

  #statement(name: keyof typeof STATEMENTS): StatementSync {
    let statement = this.#statements.get(name)
    if (statement === undefined) {
      statement = this.#database.prepare(STATEMENTS[name])
      this.#statements.set(name, statement)
    }
    return statement
  }
}

function prepared(database: Database, path: string, prepare: (index: FsIndex) => void): FsIndex {
  try {
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
    if (version > SCHEMA_VERSION) {
      throw new CatalogError('STORE_FAILED', `${path} was made by a newer version`, {
        hint: 'update catalog, or give this version a folder of its own with --store',
      })
    }
    const index = new FsIndex(database)
    prepare(index)
    return index
  } catch (error) {
    database.close()
    throw error
  }
}
