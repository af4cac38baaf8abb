/**
 * Rows of a table that are written together, a little later, in one transaction: each by itself costs several times as much. Only for
 * what may be lost. A disk that refuses costs entries, never an answer.
 */
import type { Database, Logger } from '@catalog-p2p/core'

export interface WaitingRowsOptions<Row> {
  readonly write: (row: Row) => void
  /** So many have been. */
  readonly onWritten: (rows: number) => void
  readonly log: Pick<Logger, 'warn'> | undefined
  /** Of the line about rows that are lost. */
  readonly event: string
  /** How long they wait at most. */
  readonly flushMs: number
  /** So many do not wait any longer. */
  readonly maxRows: number
}

export class WaitingRows<Row> {
  readonly #database: Database
  readonly #options: WaitingRowsOptions<Row>
  /** By key, and by what tells rows of one key apart. */
  readonly #rows = new Map<string, Map<string, Row>>()
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(database: Database, options: WaitingRowsOptions<Row>) {
    this.#database = database
    this.#options = options
  }

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  /** In place of one that waits under the same names. */
  add(key: string, which: string, row: Row): void {
    const { flushMs, maxRows } = this.#options
    const rows = this.#rows.get(key) ?? new Map<string, Row>()
    this.#rows.set(key, rows.set(which, row))
    this.#count += 1
    if (this.#count >= maxRows) return this.flush()
    this.#timer ??= setTimeout(() => this.flush(), flushMs).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#rows.size === 0) return
    const batch = [...this.#rows.values()].flatMap((rows) => [...rows.values()])
    this.#rows.clear()
    this.#count = 0
    const { event, log, onWritten } = this.#options
    try {
      this.#write(batch)
    } catch (error) {
      log?.warn(event, { entries: batch.length, error })
      return
    }
    try {
      onWritten(batch.length)
    } catch (error) {
      log?.warn('rows.not-trimmed', { error })
    }
  }

  #write(batch: readonly Row[]): void {
    this.#database.exec('BEGIN')
    try {
      for (const row of batch) this.#options.write(row)
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }
}
