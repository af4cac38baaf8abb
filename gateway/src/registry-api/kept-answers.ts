/**
 * Small answers about one version that upstream gave to anyone (attestations, a version's own document), kept over restarts for
 * the time when it can't be reached. Bounded; the oldest go first. Never holds what needed credentials, and is never asked
 * while upstream answers: a tag may have moved.
 */
import type { Database } from '@catalog-p2p/core'

export interface KeptAnswer {
  readonly type: string
  /** Without a content coding. */
  readonly body: Uint8Array
}

export interface AnswerKey {
  /** Its URL. */
  readonly registry: string
  /** The package. */
  readonly name: string
  /** The same for every spelling of the request. */
  readonly what: string
}

export const MAX_ANSWER_BYTES = 256 * 1024
const MAX_TOTAL_BYTES = 64 * 1024 * 1024
/** Rows removed at once. */
const TRIM_ROWS = 500

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS kept_answers (
    registry TEXT NOT NULL, name TEXT NOT NULL, what TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL,
    kept_ms INTEGER NOT NULL, PRIMARY KEY (name, registry, what)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS kept_answers_by_age ON kept_answers (kept_ms);
`

export class KeptAnswers {
  readonly #maxBytes: number
  readonly #sql
  #bytes: number

  constructor(database: Database, { maxBytes = MAX_TOTAL_BYTES }: { maxBytes?: number } = {}) {
    this.#maxBytes = maxBytes
    database.exec(SCHEMA)
    this.#sql = {
      find: database.prepare(
        'SELECT type, body FROM kept_answers WHERE name = ? AND registry = ? AND what = ?',
      ),
      put: database.prepare('INSERT OR REPLACE INTO kept_answers VALUES (?, ?, ?, ?, ?, ?)'),
      remove: database.prepare(
        'DELETE FROM kept_answers WHERE name = ? AND registry = ? AND what = ?',
      ),
      forget: database.prepare('DELETE FROM kept_answers WHERE name = ?'),
      sum: database.prepare('SELECT coalesce(sum(length(body)), 0) AS bytes FROM kept_answers'),
      trim: database.prepare(
        `DELETE FROM kept_answers WHERE rowid IN
           (SELECT rowid FROM kept_answers ORDER BY kept_ms LIMIT ${TRIM_ROWS})`,
      ),
    }
    this.#bytes = this.#count()
  }

  find({ registry, name, what }: AnswerKey): KeptAnswer | undefined {
    const row = this.#sql.find.get(name, registry, what)
    return row as unknown as KeptAnswer | undefined
  }

  put({ registry, name, what }: AnswerKey, { type, body }: KeptAnswer): void {
    if (body.byteLength > MAX_ANSWER_BYTES) return
    this.#sql.put.run(registry, name, what, type, body, Date.now())
    // One that replaces another counts twice until it is counted anew.
    this.#bytes += body.byteLength
    if (this.#bytes <= this.#maxBytes) return
    this.#bytes = this.#count()
    while (this.#bytes > this.#maxBytes) {
      this.#sql.trim.run()
      this.#bytes = this.#count()
    }
  }

  remove({ registry, name, what }: AnswerKey): void {
    this.#sql.remove.run(name, registry, what)
  }

  /** The package has changed. */
  forget(name: string): void {
    this.#sql.forget.run(name)
  }

  #count(): number {
    return (this.#sql.sum.get() as { bytes: number }).bytes
  }
}
