/**
 * Versions that were taken down: those that the registry's own metadata had and has no more, and those that a quorum of witnesses
 * says are gone. Kept over restarts, bounded. What the registry has again is taken off the list by the registry alone, never by
 * a peer or a witness. Judges nothing: guard.ts does, where its user wants that.
 */
import type { Database } from '@catalog-p2p/core'

export interface Takedown {
  /** `removed`, or the id of a record of malware. */
  readonly reason: string
  /** Whose word it is. */
  readonly by: 'registry' | 'witnesses'
  /** When it was noticed here; Unix time, milliseconds. */
  readonly seenAtMs: number
}

export interface NamedPackage {
  /** The registry's URL. */
  readonly registry: string
  readonly name: string
}

export const REMOVED = 'removed'
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS takedowns (
    registry TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, reason TEXT NOT NULL, by_whom TEXT NOT NULL,
    seen_ms INTEGER NOT NULL, PRIMARY KEY (registry, name, version)
  ) STRICT, WITHOUT ROWID;
`
/** About 200 bytes each. */
const MAX_VERSIONS = 100_000

interface Row extends NamedPackage {
  readonly version: string
  readonly reason: string
  readonly by_whom: Takedown['by']
  readonly seen_ms: number
}

export class Takedowns {
  readonly #sql: ReturnType<typeof prepare>
  /** Registry and name to version. */
  readonly #known = new Map<string, Map<string, Takedown>>()
  readonly #names = new Map<string, number>()
  #size = 0

  constructor(database: Database) {
    database.exec(SCHEMA)
    this.#sql = prepare(database)
    for (const row of this.#sql.all.all(MAX_VERSIONS) as unknown as Row[]) {
      this.#remember(row, row.version, {
        ...{ reason: row.reason, by: row.by_whom, seenAtMs: row.seen_ms },
      })
    }
  }

  get size(): number {
    return this.#size
  }

  /** Of any registry, at the price of one look-up. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  of(named: NamedPackage): ReadonlyMap<string, Takedown> {
    return this.#known.get(keyOf(named)) ?? new Map<string, Takedown>()
  }

  /** What is known already stays as it is, but malware is a reason that replaces `removed`. Those that are news. */
  add(named: NamedPackage, given: ReadonlyMap<string, Takedown>): string[] {
    const known = this.of(named)
    const news = [...given].filter(([version, { reason }]) => {
      const before = known.get(version)
      return before === undefined || (before.reason === REMOVED && reason !== REMOVED)
    })
    for (const [version, takedown] of news) {
      if (this.#size >= MAX_VERSIONS && !known.has(version)) return []
      const { reason, by, seenAtMs } = takedown
      this.#sql.add.run(named.registry, named.name, version, reason, by, seenAtMs)
      this.#remember(named, version, takedown)
    }
    return news.map(([version]) => version)
  }

  /** The registry has these (again), at a time: what was noticed before that, and is no malware, is over. Those that were. */
  restore(named: NamedPackage, versions: readonly string[], atMs: number): string[] {
    const known = this.of(named)
    const over = versions.filter((version) => {
      const { reason, seenAtMs = Infinity } = known.get(version) ?? {}
      return reason === REMOVED && seenAtMs < atMs
    })
    for (const version of over) {
      this.#sql.remove.run(named.registry, named.name, version)
      this.#known.get(keyOf(named))?.delete(version)
      this.#count(named.name, -1)
    }
    return over
  }

  #remember(named: NamedPackage, version: string, takedown: Takedown): void {
    const key = keyOf(named)
    const versions = this.#known.get(key) ?? new Map<string, Takedown>()
    this.#known.set(key, versions)
    if (!versions.has(version)) this.#count(named.name, 1)
    versions.set(version, takedown)
  }

  #count(name: string, by: 1 | -1): void {
    const count = (this.#names.get(name) ?? 0) + by
    this.#size += by
    if (count === 0) this.#names.delete(name)
    else this.#names.set(name, count)
  }
}

function prepare(database: Database) {
  return {
    all: database.prepare('SELECT * FROM takedowns LIMIT ?'),
    add: database.prepare('INSERT OR REPLACE INTO takedowns VALUES (?, ?, ?, ?, ?, ?)'),
    remove: database.prepare(
      'DELETE FROM takedowns WHERE registry = ? AND name = ? AND version = ?',
    ),
  }
}

function keyOf({ registry, name }: NamedPackage): string {
  return `${registry} ${name}`
}
