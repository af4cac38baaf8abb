/**
 * The newest verified word of each believed witness on each package, kept over restarts and bounded: the oldest go first. A word
 * that is older than the one at hand changes nothing, so nobody can bring back what a witness once said.
 */
import type { Database, KeyId } from '@catalog-p2p/core'
import type { SignedList, WitnessedPackage, WitnessStatement } from './witness-statement.ts'

export interface KeptList extends SignedList, WitnessStatement {}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS witness_lists (
    registry TEXT NOT NULL, name TEXT NOT NULL, witness TEXT NOT NULL, seen_ms INTEGER NOT NULL,
    statement BLOB NOT NULL, list BLOB NOT NULL, PRIMARY KEY (registry, name, witness)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS witness_lists_by_age ON witness_lists (seen_ms);
`
const MAX_BYTES = 64 * 1024 * 1024

interface Row {
  readonly registry: string
  readonly name: string
  readonly witness: KeyId
  readonly seen_ms: number
  readonly statement: Uint8Array
  readonly list: Uint8Array
}

export class StatementStore {
  readonly #sql: ReturnType<typeof prepare>
  #bytes: number

  constructor(database: Database) {
    database.exec(SCHEMA)
    this.#sql = prepare(database)
    this.#bytes = (this.#sql.bytes.get() as { bytes: number }).bytes
  }

  /** Packages of which there is something. */
  packages(): WitnessedPackage[] {
    return this.#sql.packages.all() as unknown as WitnessedPackage[]
  }

  /** Of all that is kept of it. */
  bytesOf({ registry, name }: WitnessedPackage): number {
    return (this.#sql.bytesOf.get(registry, name) as { bytes: number }).bytes
  }

  of({ registry, name }: WitnessedPackage): KeptList[] {
    return (this.#sql.of.all(registry, name) as unknown as Row[]).map(toList)
  }

  /** Only what has been verified. Whether it is news. */
  keep({ registry, name, witness, seenAtMs, statement, list }: KeptList): boolean {
    const known = this.of({ registry, name }).find((each) => each.witness === witness)
    if (known !== undefined && known.seenAtMs >= seenAtMs) return false
    this.#sql.keep.run(registry, name, witness, seenAtMs, statement, list)
    this.#bytes += sizeOf({ statement, list }) - (known === undefined ? 0 : sizeOf(known))
    this.#evict()
    return true
  }

  #evict(): void {
    while (this.#bytes > MAX_BYTES) {
      const oldest = this.#sql.oldest.get() as Row | undefined
      if (oldest === undefined) return
      this.#sql.remove.run(oldest.registry, oldest.name, oldest.witness)
      this.#bytes -= sizeOf(oldest)
    }
  }
}

function prepare(database: Database) {
  const sql = (text: string): ReturnType<Database['prepare']> => database.prepare(text)
  return {
    bytes: sql(
      'SELECT coalesce(sum(length(statement) + length(list)), 0) AS bytes FROM witness_lists',
    ),
    bytesOf: sql(
      `SELECT coalesce(sum(length(statement) + length(list)), 0) AS bytes FROM witness_lists
         WHERE registry = ? AND name = ?`,
    ),
    packages: sql('SELECT DISTINCT registry, name FROM witness_lists'),
    of: sql('SELECT * FROM witness_lists WHERE registry = ? AND name = ? ORDER BY seen_ms DESC'),
    keep: sql('INSERT OR REPLACE INTO witness_lists VALUES (?, ?, ?, ?, ?, ?)'),
    oldest: sql('SELECT * FROM witness_lists ORDER BY seen_ms LIMIT 1'),
    remove: sql('DELETE FROM witness_lists WHERE registry = ? AND name = ? AND witness = ?'),
  }
}

function toList({ registry, name, witness, seen_ms, statement, list }: Row): KeptList {
  return { registry, name, witness, seenAtMs: seen_ms, statement, list }
}

function sizeOf({ statement, list }: SignedList): number {
  return statement.byteLength + list.byteLength
}
