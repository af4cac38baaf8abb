/**
 * libp2p's datastore (peer store, DHT records) in the project's embedded index. What strangers can make us keep is bounded:
 * DHT records by a share for each peer and address group (record-shares.ts), peers by number, those never met going first.
 * A record over the bound is dropped without an error, as a DHT may.
 */
import { BaseDatastore } from 'datastore-core'
import type { Batch, KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore/key'
import { NotFoundError } from '@libp2p/interface'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Database } from '../../disk/database.ts'
import { RECORD_LIMITS, RecordShares, type RecordLimits } from './dht/record-shares.ts'

const SCHEMA = 2
const DHT_PREFIX = '/dht/'
const PROVIDERS_PREFIX = '/dht/provider/'
const PEERS_PREFIX = '/peers/'
/** Sorts after every key that starts with a prefix. */
const LAST = '\u{10ffff}'
const MAX_PEERS = 5_000
/** So many peers are dropped at once, so that it is not looked for whom with every new one. */
const PEERS_STEP = 50
/** Of what is in the DHT's part and is nobody's provider record. */
const NO_OWNER = 'values'

export interface DatastoreOptions {
  readonly records?: RecordLimits
  readonly maxPeers?: number
  /** Our own records are bounded by what we hold. */
  readonly self?: string
  readonly groupOf?: (peer: string) => AddressGroup | undefined
}

export class SqliteDatastore extends BaseDatastore {
  readonly #database: Database
  readonly #options: DatastoreOptions
  readonly #statements: ReturnType<typeof prepare>
  #shares: RecordShares
  #peers = 0
  #sequence = 0
  #isClosed = false

  constructor(database: Database, options: DatastoreOptions = {}) {
    super()
    this.#database = database
    this.#options = options
    createTables(database)
    this.#statements = prepare(database)
    this.#shares = this.#count()
  }

  /** The database is about to be closed: what libp2p still does in the background finds nothing and changes nothing. */
  close(): void {
    this.#isClosed = true
  }

  /** Drops provider records of our own from an earlier run: what we hold now is announced anew. */
  dropOwnProviderRecords(self: string): void {
    this.#database
      .prepare('DELETE FROM records WHERE key GLOB ?')
      .run(`${PROVIDERS_PREFIX}*/${self}`)
    this.#shares = this.#count()
  }

  override put(key: Key, value: Uint8Array): Key {
    if (this.#isClosed) return key
    const name = key.toString()
    const isNew = !this.has(key)
    const owner = this.#ownerOf(name)
    const group = owner === undefined ? null : this.#groupOf(owner)
    this.#statements.put.run(name, value, owner ?? null, group, ++this.#sequence)
    if (!isNew) return key
    if (owner !== undefined && group !== null) this.#addRecord(owner, group)
    else if (name.startsWith(PEERS_PREFIX)) this.#addPeer()
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
    const row = this.#statements.delete.get(name)
    if (row === undefined) return
    if (typeof row['owner'] === 'string') this.#shares.remove(row['owner'], 1)
    if (name.startsWith(PEERS_PREFIX)) this.#peers -= 1
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
          this.#shares = this.#count()
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

  /** The peer that a row counts for: kad-dht takes provider records from the provider itself only. */
  #ownerOf(name: string): string | undefined {
    if (!name.startsWith(DHT_PREFIX)) return undefined
    if (!name.startsWith(PROVIDERS_PREFIX)) return NO_OWNER
    const owner = name.slice(name.lastIndexOf('/') + 1)
    return owner === this.#options.self ? undefined : owner
  }

  #groupOf(owner: string): AddressGroup {
    if (owner === NO_OWNER) return NO_OWNER
    return this.#shares.groupOf(owner) ?? this.#options.groupOf?.(owner) ?? 'unknown'
  }

  #addRecord(owner: string, group: AddressGroup): void {
    this.#shares.add(owner, group, 1)
    for (;;) {
      const offender = this.#shares.offender(owner)
      if (offender === undefined) return
      this.#statements.dropOldest.run(offender)
      this.#shares.remove(offender, 1)
    }
  }

  #addPeer(): void {
    this.#peers += 1
    const { maxPeers = MAX_PEERS } = this.#options
    if (this.#peers <= maxPeers) return
    const step = Math.min(PEERS_STEP, Math.ceil(maxPeers / 10))
    const { changes } = this.#statements.dropPeers.run(PEERS_PREFIX, PEERS_PREFIX + LAST, step)
    this.#peers -= Number(changes)
  }

  #count(): RecordShares {
    const shares = new RecordShares(this.#options.records ?? RECORD_LIMITS)
    for (const { owner, grp, records } of this.#statements.owners.all()) {
      if (typeof owner === 'string' && typeof grp === 'string') {
        shares.add(owner, grp, Number(records))
      }
    }
    const row = this.#statements.summary.get(PEERS_PREFIX, PEERS_PREFIX + LAST)
    this.#peers = Number(row?.['peers'] ?? 0)
    this.#sequence = Number(row?.['last'] ?? 0)
    return shares
  }
}

/** Tables of an earlier schema are dropped: who is there is found again. */
function createTables(database: Database): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version !== SCHEMA) {
    database.exec(`
      DROP TABLE IF EXISTS records;
      DROP TABLE IF EXISTS met;
      PRAGMA user_version = ${SCHEMA};
    `)
  }
  database.exec(`
    CREATE TABLE IF NOT EXISTS records (
      key TEXT PRIMARY KEY, value BLOB NOT NULL, owner TEXT, grp TEXT, sequence INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS records_of_owner ON records (owner, sequence) WHERE owner IS NOT NULL;
    CREATE TABLE IF NOT EXISTS met (
      peer TEXT PRIMARY KEY, record TEXT NOT NULL UNIQUE, grp TEXT NOT NULL,
      first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, place TEXT
    ) WITHOUT ROWID;
  `)
}

function prepare(database: Database) {
  return {
    put: database.prepare(
      `INSERT INTO records (key, value, owner, grp, sequence) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, sequence = excluded.sequence`,
    ),
    get: database.prepare('SELECT value FROM records WHERE key = ?'),
    has: database.prepare('SELECT 1 FROM records WHERE key = ?'),
    delete: database.prepare('DELETE FROM records WHERE key = ? RETURNING owner'),
    dropOldest: database.prepare(
      `DELETE FROM records WHERE key IN
       (SELECT key FROM records WHERE owner = ? ORDER BY sequence LIMIT 1)`,
    ),
    // Those met come after all others.
    dropPeers: database.prepare(
      `DELETE FROM records WHERE key IN (
         SELECT records.key FROM records LEFT JOIN met ON met.record = records.key
         WHERE records.key >= ? AND records.key < ?
         ORDER BY met.record IS NOT NULL, met.last_seen, records.sequence LIMIT ?
       )`,
    ),
    all: database.prepare('SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key'),
    allKeys: database.prepare('SELECT key FROM records WHERE key >= ? AND key < ? ORDER BY key'),
    owners: database.prepare(
      'SELECT owner, grp, count(*) AS records FROM records WHERE owner IS NOT NULL GROUP BY owner, grp',
    ),
    summary: database.prepare(
      `SELECT count(*) FILTER (WHERE key >= ? AND key < ?) AS peers, max(sequence) AS last
       FROM records`,
    ),
  }
}
