/**
 * What this machine has given to clients, and when: for finding out who got something that turned out to be bad. It stays on this
 * machine; nothing of it is ever sent anywhere. Bounded: what was served longest ago goes first. Written in batches, a little after
 * the answer.
 */
import { LRUCache } from 'lru-cache'
import type { Database, Logger } from '@catalog-p2p/core'
import { WaitingRows } from '../waiting-rows.ts'

export interface ServedVersion {
  readonly name: string
  readonly version: string
  readonly digest: string
  /** The client's own word, as `npm/11.6.0`. */
  readonly client: string
}

export interface ServedAs {
  /** No rule about versions was asked: by its hash alone, when its name is the client's word, or of a publisher of the network. */
  readonly isUnjudged: boolean
}

export interface LedgerRow extends ServedVersion {
  /** Unix time, milliseconds; the last one to a day. */
  readonly firstMs: number
  readonly lastMs: number
}

export interface Ledger {
  note(served: ServedVersion, as?: ServedAs): void
  /** Of one version, or of all of a name. */
  find(name: string, version?: string): LedgerRow[]
  names(): string[]
  /** Whether it was given out while versions had to be as old as this. */
  wasAllowed(name: string, version: string, minAgeMs: number): boolean
  readonly rows: number
  close(): void
}

const MAX_LEDGER_ROWS = 200_000
const TRIM_ROWS = 1_000
const FLUSH_MS = 1_000
/** What is written at once, at most: then it does not wait for the time above. */
const MAX_BATCH = 500
const REWRITE_AFTER_MS = 86_400_000
const MAX_CLIENT_CHARS = 60
/** Notes of the same bytes that are remembered: to different clients, and under different names. */
const MAX_SAME_BYTES = 8

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS served_versions (
    name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, client TEXT NOT NULL, min_age_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, PRIMARY KEY (name, version, digest, client)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS served_versions_by_use ON served_versions (last_ms);
`

type Statements = ReturnType<typeof prepare>
type WaitingRow = LedgerRow & { readonly minAgeMs: number }

export class SqliteLedger implements Ledger {
  readonly #sql: Statements
  readonly #waiting: WaitingRows<WaitingRow>
  readonly #now: () => number
  readonly #maxRows: number
  /** In force now: what is noted was allowed under it. */
  readonly #minAgeMs: number
  /** What was noted last of the same bytes. */
  readonly #recent = new LRUCache<string, readonly WaitingRow[]>({
    maxSize: 20_000,
    sizeCalculation: () => 1,
  })
  #rows: number

  constructor(
    database: Database,
    { log, minAgeMs, now = Date.now, maxRows = MAX_LEDGER_ROWS }: LedgerOptions,
  ) {
    database.exec(SCHEMA)
    this.#sql = prepare(database)
    this.#waiting = new WaitingRows(database, {
      write: (row) => this.#write(row),
      onWritten: () => this.#trim(),
      ...{ log, event: 'guard.ledger-not-written', flushMs: FLUSH_MS, maxRows: MAX_BATCH },
    })
    this.#now = now
    this.#maxRows = maxRows
    this.#minAgeMs = minAgeMs
    this.#rows = this.#count()
  }

  get rows(): number {
    this.#waiting.flush()
    return this.#rows
  }

  note(
    { name, version, digest, client }: ServedVersion,
    { isUnjudged } = { isUnjudged: false },
  ): void {
    const short = client.slice(0, MAX_CLIENT_CHARS)
    const minAgeMs = isUnjudged ? 0 : this.#minAgeMs
    const now = this.#now()
    const recent = this.#recent.get(digest)
    const isSame = (row: WaitingRow): boolean =>
      row.client === short &&
      row.version === version &&
      row.name === name &&
      row.minAgeMs === minAgeMs &&
      now - row.lastMs < REWRITE_AFTER_MS
    if (recent?.some(isSame) === true) return
    const times = { firstMs: now, lastMs: now, minAgeMs }
    const row = { name, version, digest, client: short, ...times }
    this.#recent.set(digest, [row, ...(recent ?? []).slice(0, MAX_SAME_BYTES - 1)])
    // Under another minimum age it was allowed by another rule.
    this.#waiting.add(digest, [name, version, short, minAgeMs].join('\n'), row)
  }

  find(name: string, version?: string): LedgerRow[] {
    this.#waiting.flush()
    const rows = (this.#sql.byName.all(name) as unknown as Row[]).map(toRow)
    return version === undefined ? rows : rows.filter((each) => each.version === version)
  }

  names(): string[] {
    this.#waiting.flush()
    return (this.#sql.names.all() as { name: string }[]).map(({ name }) => name)
  }

  wasAllowed(name: string, version: string, minAgeMs: number): boolean {
    this.#waiting.flush()
    return this.#sql.allowed.get(name, version, minAgeMs) !== undefined
  }

  close(): void {
    this.#waiting.flush()
  }

  #write({ name, version, digest, client, firstMs, lastMs, minAgeMs }: WaitingRow): void {
    this.#sql.add.run(name, version, digest, client, minAgeMs, firstMs, lastMs)
  }

  #trim(): void {
    this.#rows = this.#count()
    if (this.#rows < this.#maxRows + Math.min(TRIM_ROWS, this.#maxRows)) return
    this.#sql.trim.run(this.#rows - this.#maxRows)
    this.#rows = this.#maxRows
  }

  #count(): number {
    return (this.#sql.count.get() as { rows: number }).rows
  }
}

export interface LedgerOptions {
  readonly log: Logger
  /** In force now. */
  readonly minAgeMs: number
  readonly now?: () => number
  readonly maxRows?: number
}

interface Row extends ServedVersion {
  readonly first_ms: number
  readonly last_ms: number
}

function toRow({ name, version, digest, client, first_ms, last_ms }: Row): LedgerRow {
  return { name, version, digest, client, firstMs: first_ms, lastMs: last_ms }
}

function prepare(database: Database) {
  const sql = (text: string): ReturnType<Database['prepare']> => database.prepare(text)
  return {
    add: sql(`INSERT INTO served_versions VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE
      SET last_ms = excluded.last_ms, min_age_ms = max(min_age_ms, excluded.min_age_ms)`),
    byName: sql('SELECT * FROM served_versions WHERE name = ? ORDER BY first_ms'),
    names: sql('SELECT DISTINCT name FROM served_versions'),
    allowed: sql(
      'SELECT 1 FROM served_versions WHERE name = ? AND version = ? AND min_age_ms >= ? LIMIT 1',
    ),
    count: sql('SELECT count(*) AS rows FROM served_versions'),
    trim: sql(`DELETE FROM served_versions WHERE (name, version, digest, client) IN
      (SELECT name, version, digest, client FROM served_versions ORDER BY last_ms LIMIT ?)`),
  }
}

/** Two ledgers read as one; notes go to the first. */
export function joinLedgers(kept: Ledger, unkept: Ledger): Ledger {
  return {
    note: (served, as) => kept.note(served, as),
    find: (name, version) => [...kept.find(name, version), ...unkept.find(name, version)],
    names: () => [...new Set([...kept.names(), ...unkept.names()])],
    wasAllowed: (...asked) => kept.wasAllowed(...asked) || unkept.wasAllowed(...asked),
    get rows() {
      return kept.rows + unkept.rows
    },
    close() {
      kept.close()
      unkept.close()
    },
  }
}
