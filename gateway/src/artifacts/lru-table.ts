/**
 * A table of pairs that must not grow without end: the least recently used ones go. Only for what is safe to forget, because
 * it is then found out anew. Reading writes at most once per day and row.
 */
import type { Database } from '@catalog-p2p/core'

export interface LruTable {
  /** Whether the key stands there with one of these values. Counts as a use. */
  has(key: string, values: readonly string[]): boolean
  /** Whether the key stands there at all. */
  knows(key: string): boolean
  add(key: string, value: string): void
  /** Removes it, whatever its keys. */
  removeValue(value: string): void
}

export interface LruTableOptions {
  /** In the database, with the names of its columns. */
  readonly table: string
  readonly columns: { readonly key: string; readonly value: string }
  readonly maxRows: number
  readonly now: () => number
}

/** A day: frequent reads must not become frequent writes. */
const TOUCH_AFTER_MS = 86_400_000
/** Rows removed at once; the table may be longer than its bound by as many. */
const TRIM_ROWS = 1_000

export function createLruTable(database: Database, options: LruTableOptions): LruTable {
  const { table, maxRows, now } = options
  const { key, value } = options.columns
  prepareTable(database, options)
  const sql = {
    find: database.prepare(`SELECT used_ms FROM ${table} WHERE ${key} = ? AND ${value} = ?`),
    knows: database.prepare(`SELECT 1 FROM ${table} WHERE ${key} = ? LIMIT 1`),
    touch: database.prepare(`UPDATE ${table} SET used_ms = ? WHERE ${key} = ? AND ${value} = ?`),
    add: database.prepare(`INSERT OR IGNORE INTO ${table} VALUES (?, ?, ?)`),
    remove: database.prepare(`DELETE FROM ${table} WHERE ${value} = ?`),
    count: database.prepare(`SELECT count(*) AS rows FROM ${table}`),
    trim: database.prepare(
      `DELETE FROM ${table} WHERE (${key}, ${value}) IN
         (SELECT ${key}, ${value} FROM ${table} ORDER BY used_ms LIMIT ?)`,
    ),
  }
  const countRows = (): number => (sql.count.get() as { rows: number }).rows
  let rows = countRows()
  const trim = (): void => {
    sql.trim.run(rows - maxRows)
    rows = countRows()
  }
  if (rows > maxRows) trim()

  function isThere(one: string, other: string): boolean {
    const found = sql.find.get(one, other) as { used_ms: number } | undefined
    if (found === undefined) return false
    if (now() - found.used_ms > TOUCH_AFTER_MS) sql.touch.run(now(), one, other)
    return true
  }

  return {
    has: (one, others) => rows > 0 && others.some((other) => isThere(one, other)),
    knows: (one) => rows > 0 && sql.knows.get(one) !== undefined,
    add(one, other) {
      rows += Number(sql.add.run(one, other, now()).changes)
      if (rows >= maxRows + Math.min(TRIM_ROWS, maxRows)) trim()
    },
    removeValue(other) {
      rows -= Number(sql.remove.run(other).changes)
    },
  }
}

/** Tables of earlier versions had the two columns only. */
function prepareTable(database: Database, { table, columns }: LruTableOptions): void {
  const { key, value } = columns
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${table} (${key} TEXT, ${value} TEXT, used_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (${key}, ${value})) STRICT, WITHOUT ROWID`,
  )
  const has = database.prepare(`PRAGMA table_info(${table})`).all() as { name: string }[]
  if (!has.some(({ name }) => name === 'used_ms')) {
    database.exec(`ALTER TABLE ${table} ADD COLUMN used_ms INTEGER NOT NULL DEFAULT 0`)
  }
  database.exec(`CREATE INDEX IF NOT EXISTS ${table}_by_use ON ${table} (used_ms)`)
  database.exec(`CREATE INDEX IF NOT EXISTS ${table}_by_${value} ON ${table} (${value})`)
}
