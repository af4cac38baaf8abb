/**
 * libp2p's datastore (peer store, DHT records) in the project's embedded index. Records that strangers can make us keep (the
 * DHT's) are bounded in number; a record over the bound is dropped, as a DHT may.
 */
import { BaseDatastore } from 'datastore-core'
import type { Batch, KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore/key'
import { NotFoundError } from '@libp2p/interface'
import type { Database } from '../store/database.ts'

const STRANGERS_PREFIX = '/dht/'
const DEFAULT_MAX_STRANGERS_RECORDS = 250_000
/** Sorts after every key that starts with a prefix. */
const LAST = '\u{10ffff}'

export class SqliteDatastore extends BaseDatastore {
  readonly #database: Database
  readonly #maxStrangersRecords: number
  readonly #statements: ReturnType<typeof prepare>
  #strangersRecords: number
  #isClosed = false

  constructor(database: Database, maxStrangersRecords = DEFAULT_MAX_STRANGERS_RECORDS) {
    super()
    this.#database = database
    this.#maxStrangersRecords = maxStrangersRecords
    database.exec(
      'CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID',
    )
    this.#statements = prepare(database)
    const counted = this.#statements.count.get(STRANGERS_PREFIX, STRANGERS_PREFIX + LAST)
    this.#strangersRecords = Number(counted?.['records'] ?? 0)
  }

  /** The database is about to be closed: what libp2p still does in the background finds nothing and changes nothing. */
  close(): void {
    this.#isClosed = true
  }

  /** Drops provider records of our own from an earlier run: what we hold now is announced anew. */
  dropOwnProviderRecords(self: string): void {
    const { changes } = this.#database
      .prepare('DELETE FROM records WHERE key GLOB ?')
      .run(`${STRANGERS_PREFIX}provider/*/${self}`)
    this.#strangersRecords -= Number(changes)
  }

  override put(key: Key, value: Uint8Array): Key {
    if (this.#isClosed) return key
    const name = key.toString()
    const isNewStranger = name.startsWith(STRANGERS_PREFIX) && !this.has(key)
    if (isNewStranger && this.#strangersRecords >= this.#maxStrangersRecords) return key
    this.#statements.put.run(name, value)
    if (isNewStranger) this.#strangersRecords += 1
    return key
  }

  override get(key: Key): Uint8Array {
    const row = this.#isClosed ? undefined : this.#statements.get.get(key.toString())
    const value = row?.['value']
    if (!(value instanceof Uint8Array)) throw new NotFoundError(`no record ${key.toString()}`)
    return value
  }

  override has(key: Key): boolean {
    return !this.#isClosed && this.#statements.has.get(key.toString()) !== undefined
  }

  override delete(key: Key): void {
    if (this.#isClosed) return
    const name = key.toString()
    const { changes } = this.#statements.delete.run(name)
    if (name.startsWith(STRANGERS_PREFIX)) this.#strangersRecords -= Number(changes)
  }

  override batch(): Batch {
    const steps: (() => void)[] = []
    return {
      put: (key, value) => void steps.push(() => void this.put(key, value)),
      delete: (key) => void steps.push(() => this.delete(key)),
      commit: () => {
        const inOrder = steps.splice(0)
        if (this.#isClosed) return
        this.#database.exec('BEGIN')
        try {
          for (const step of inOrder) step()
          this.#database.exec('COMMIT')
        } catch (error) {
          this.#database.exec('ROLLBACK')
          throw error
        }
      },
    }
  }

  // All at once, not row by row: a cursor left open would hold back the writes that its consumer makes.
  override async *_all(query: Query): AsyncGenerator<Pair> {
    if (this.#isClosed) return
    const prefix = query.prefix ?? '/'
    for (const row of this.#statements.all.all(prefix, prefix + LAST)) {
      const { key, value } = row
      if (typeof key === 'string' && value instanceof Uint8Array) yield { key: new Key(key), value }
    }
  }

  override async *_allKeys(query: KeyQuery): AsyncGenerator<Key> {
    if (this.#isClosed) return
    const prefix = query.prefix ?? '/'
    for (const { key } of this.#statements.allKeys.all(prefix, prefix + LAST)) {
      if (typeof key === 'string') yield new Key(key)
    }
  }
}

function prepare(database: Database) {
  return {
    put: database.prepare(
      'INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ),
    get: database.prepare('SELECT value FROM records WHERE key = ?'),
    has: database.prepare('SELECT 1 FROM records WHERE key = ?'),
    delete: database.prepare('DELETE FROM records WHERE key = ?'),
    all: database.prepare('SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key'),
    allKeys: database.prepare('SELECT key FROM records WHERE key >= ? AND key < ? ORDER BY key'),
    count: database.prepare('SELECT count(*) AS records FROM records WHERE key >= ? AND key < ?'),
  }
}
