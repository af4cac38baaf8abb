/**
 * The records that this node knows, kept over restarts: name key to record, in one table of SQLite. Only what has been verified
 * is put in. Bounded: the least recently put go first; what is gone is learned anew. Losing it all costs round trips, nothing
 * else, so a folder that can't be written keeps them in memory.
 */
import { join } from 'node:path'
import { digestToBytes, type Digest } from '../content/digest.ts'
import { nameKeyFromBytes, nameKeyOf, nameKeyToBytes, type NameKey } from '../content/name-key.ts'
import type { ArtifactRecord } from '../content/record.ts'
import { isCatalogError } from '../errors.ts'
import { openDatabase, type Database } from '../disk/database.ts'
import { openRenewable } from '../disk/renewable-database.ts'
import { canCreateFolder } from '../disk/make-folder.ts'
import type { Logger } from '../log.ts'
import { FieldReader } from '../wire/fields.ts'
import { decodeRecord, encodeRecord } from '../wire/record-codec.ts'

const RECORDS_FILE = 'records.sqlite'
const EFFECT = 'what was known of packages is asked for anew'
/** Some 400 bytes each. */
const MAX_RECORDS = 500_000
/** So many go at once: the table may be longer than its bound by so many. */
const TRIM_ROWS = 1_000

export interface RecordStore {
  get(key: NameKey): ArtifactRecord | undefined
  /** Replaces one of the same name and version. */
  put(record: ArtifactRecord): void
  /** Names and versions that have these bytes. */
  keysOf(digest: Digest): NameKey[]
  readonly size: number
  close(): void
}

/** In memory without a folder, and where its file can't be opened: the store says why. */
export async function openRecordStore(
  folder: string | undefined,
  { log }: { log: Logger },
): Promise<RecordStore> {
  try {
    if (folder !== undefined && (await canCreateFolder(folder))) {
      return await openRenewable(join(folder, RECORDS_FILE), { log, effect: EFFECT }, (database) =>
        createRecordStore(database),
      )
    }
  } catch (error) {
    log.debug('records.not-kept', { folder, error })
  }
  return createRecordStore(await openDatabase(':memory:'))
}

export function createRecordStore(database: Database, { maxRows = MAX_RECORDS } = {}): RecordStore {
  database.exec(
    `CREATE TABLE IF NOT EXISTS records (
       id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, digest BLOB NOT NULL, body BLOB NOT NULL
     ) STRICT;
     CREATE INDEX IF NOT EXISTS records_by_digest ON records (digest);`,
  )
  const sql = {
    get: database.prepare('SELECT body FROM records WHERE key = ?'),
    // A new row each time, so that the oldest ids are those not put for longest.
    put: database.prepare('INSERT OR REPLACE INTO records (key, digest, body) VALUES (?, ?, ?)'),
    keysOf: database.prepare('SELECT key FROM records WHERE digest = ? ORDER BY id DESC LIMIT 100'),
    count: database.prepare('SELECT count(*) AS rows FROM records'),
    trim: database.prepare(
      'DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id LIMIT ?)',
    ),
  }
  const count = (): number => Number(sql.count.get()?.['rows'] ?? 0)
  let rows = count()
  let isOpen = true

  return {
    get(key) {
      const body = isOpen && rows > 0 ? sql.get.get(nameKeyToBytes(key))?.['body'] : undefined
      return body instanceof Uint8Array ? recordIn(body, key) : undefined
    },
    put(record) {
      if (!isOpen) return
      sql.put.run(
        nameKeyToBytes(nameKeyOf(record)),
        digestToBytes(record.digest),
        encodeRecord(record),
      )
      rows += 1 // or as many as before: counted when it matters
      if (rows < maxRows + TRIM_ROWS) return
      rows = count()
      if (rows <= maxRows) return
      sql.trim.run(rows - maxRows)
      rows = maxRows
    },
    keysOf: (digest) =>
      isOpen && rows > 0
        ? sql.keysOf
            .all(digestToBytes(digest))
            .flatMap(({ key }) => (key instanceof Uint8Array ? [nameKeyFromBytes(key)] : []))
        : [],
    get size() {
      return isOpen ? count() : 0
    },
    close() {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}

/** undefined: the row is damaged, or of another version than its key says; what it should hold is learned anew. */
function recordIn(body: Uint8Array, key: NameKey): ArtifactRecord | undefined {
  try {
    const record = decodeRecord(new FieldReader(body))
    return nameKeyOf(record) === key ? record : undefined
  } catch (error) {
    if (isCatalogError(error, 'PEER_MISBEHAVED')) return undefined
    throw error
  }
}
