/**
 * What this node can find by words: the packages whose public packuments it has seen, in SQLite's own full-text index beside the
 * metadata. Holds no package of a registry that is not public and none that credentials were needed for; whether a row may still
 * be shown is asked each time (`isShown`). Reads no document: the packument worker has made the summaries.
 * https://www.sqlite.org/fts5.html
 */
import type { Database, Logger } from '@catalog-p2p/core'
import type { DocumentKey } from '../packuments/cache/cached-document.ts'
import type { PackageSummary } from '../packuments/document/package-summary.ts'
import type { FoundPackage } from './merge.ts'

export interface LocalIndex {
  /** A document has come; found a little later. */
  note(key: DocumentKey, summary: PackageSummary): void
  /** The packages that have all of these words, or words that begin with them; the best first. */
  find(
    words: readonly string[],
    options: {
      readonly limit: number
      readonly isShown: (found: { readonly registry: string; readonly name: string }) => boolean
    },
  ): FoundPackage[]
  close(): void
}

export interface LocalIndexDependencies {
  readonly database: Database
  /** Whether a registry's packages are for everybody. */
  readonly isPublic: (registry: string) => boolean
  readonly log: Logger
}

/** About a kilobyte each. Those that were first seen longest ago are forgotten first. */
const MAX_PACKAGES = 50_000
/** Rows looked at for one search, whether they may be shown or not. */
const MAX_LOOKED_AT = 500
/** Not yet written: an install brings a thousand at once. */
const MAX_PENDING = 500
/** Written together, some milliseconds of the main thread; so many each time. */
const SLICE = 50
const SLICE_MS = 250

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS known_packages (
    id INTEGER PRIMARY KEY, registry TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    description TEXT NOT NULL, keywords TEXT NOT NULL, published_ms INTEGER, UNIQUE (name, registry)
  ) STRICT;
  CREATE VIRTUAL TABLE IF NOT EXISTS package_words USING fts5(
    name, keywords, description, content = 'known_packages', content_rowid = 'id', prefix = '2 3 4'
  );
  CREATE TRIGGER IF NOT EXISTS known_packages_insert AFTER INSERT ON known_packages BEGIN
    INSERT INTO package_words (rowid, name, keywords, description)
      VALUES (new.id, new.name, new.keywords, new.description);
  END;
  CREATE TRIGGER IF NOT EXISTS known_packages_delete AFTER DELETE ON known_packages BEGIN
    INSERT INTO package_words (package_words, rowid, name, keywords, description)
      VALUES ('delete', old.id, old.name, old.keywords, old.description);
  END;
  CREATE TRIGGER IF NOT EXISTS known_packages_update AFTER UPDATE ON known_packages BEGIN
    INSERT INTO package_words (package_words, rowid, name, keywords, description)
      VALUES ('delete', old.id, old.name, old.keywords, old.description);
    INSERT INTO package_words (rowid, name, keywords, description)
      VALUES (new.id, new.name, new.keywords, new.description);
  END;
`
/** An abbreviated document says neither what a package is for nor its keywords: what a full one said stays. */
const SAVE = `
  INSERT INTO known_packages (registry, name, version, description, keywords, published_ms)
    VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (name, registry) DO UPDATE SET
    version = excluded.version,
    published_ms = excluded.published_ms,
    description = iif(excluded.description = '', description, excluded.description),
    keywords = iif(excluded.keywords = '', keywords, excluded.keywords)
`
const COLUMNS = 'registry, name, version, description, keywords, published_ms'
/** Without SQLite's own ranking, which reads every match there is; so the newest few hundred are looked at, and ranked here. */
const FIND = `
  SELECT ${COLUMNS} FROM known_packages WHERE id IN (
    SELECT rowid FROM package_words WHERE package_words MATCH ? ORDER BY rowid DESC LIMIT ${MAX_LOOKED_AT}
  )
`

interface Row {
  readonly registry: string
  readonly name: string
  readonly version: string
  readonly description: string
  /** One per line. */
  readonly keywords: string
  readonly published_ms: number | null
}

export function openLocalIndex(deps: LocalIndexDependencies): LocalIndex {
  try {
    deps.database.exec(SCHEMA)
    return new FullTextIndex(deps)
  } catch (error) {
    deps.log.warn('search.no-index', { error, effect: 'searches find only what others know' })
    return { note: () => undefined, find: () => [], close: () => undefined }
  }
}

class FullTextIndex implements LocalIndex {
  readonly #deps: LocalIndexDependencies
  readonly #sql: ReturnType<typeof prepare>
  readonly #pending = new Map<string, { key: DocumentKey; summary: PackageSummary }>()
  #timer: NodeJS.Timeout | undefined

  constructor(deps: LocalIndexDependencies) {
    this.#deps = deps
    this.#sql = prepare(deps.database)
  }

  note(key: DocumentKey, summary: PackageSummary): void {
    const { owner, registry, name } = key
    if (owner !== '' || !this.#deps.isPublic(registry)) return
    this.#pending.set(`${registry}\n${name}`, { key, summary })
    if (this.#pending.size >= MAX_PENDING) this.#flush(SLICE)
    this.#timer ??= setTimeout(() => this.#flush(SLICE), SLICE_MS).unref()
  }

  find(
    words: readonly string[],
    { limit, isShown }: Parameters<LocalIndex['find']>[1],
  ): FoundPackage[] {
    this.#flush()
    if (words.length === 0) return []
    const found: FoundPackage[] = []
    for (const row of this.#candidates(words)) {
      if (found.length >= limit) break
      if (isShown(row)) found.push(toFound(row))
    }
    return found
  }

  /** The best first: that very name, then names with the words in them (the shorter the better), then all else. */
  #candidates(words: readonly string[]): Row[] {
    const { exact, find } = this.#sql
    const match = matchOf(words)
    const rows = [
      ...exact.all(words.join(' ')),
      ...find.all(`{name} : (${match})`).toSorted(byNameLength),
      ...find.all(match),
    ] as unknown as Row[]
    return [...new Map(rows.map((row) => [`${row.registry}\n${row.name}`, row])).values()]
  }

  close(): void {
    this.#flush()
  }

  #flush(most = MAX_PENDING): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const notes = [...this.#pending].slice(0, most)
    if (notes.length === 0) return
    for (const [id] of notes) this.#pending.delete(id)
    if (this.#pending.size > 0) {
      this.#timer = setTimeout(() => this.#flush(SLICE), SLICE_MS).unref()
    }
    const { database, log } = this.#deps
    try {
      database.exec('BEGIN')
      for (const [, { key, summary }] of notes) this.#save(key, summary)
      this.#sql.trim.run()
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      log.debug('search.not-kept', { error }) // a search finds less; the next document comes sooner or later
    }
  }

  #save({ registry, name }: DocumentKey, summary: PackageSummary): void {
    const { version, description, keywords, publishedAtMs } = summary
    this.#sql.save.run(
      ...[registry, name, version, description, keywords.join('\n'), publishedAtMs ?? null],
    )
  }
}

function prepare(database: Database) {
  return {
    save: database.prepare(SAVE),
    exact: database.prepare(`SELECT ${COLUMNS} FROM known_packages WHERE name = ?`),
    find: database.prepare(FIND),
    trim: database.prepare(
      `DELETE FROM known_packages WHERE id <= (SELECT max(id) FROM known_packages) - ${MAX_PACKAGES}`,
    ),
  }
}

function byNameLength(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a.name).length - String(b.name).length
}

/** Quoted, so that nothing in a word is an operator. https://www.sqlite.org/fts5.html#full_text_query_syntax */
function matchOf(words: readonly string[]): string {
  // The beginning of a word that is one letter long would be found in half of all packages.
  return words
    .map((word) => `"${word.replaceAll('"', '""')}"${word.length > 1 ? '*' : ''}`)
    .join(' ')
}

function toFound({ name, version, description, keywords, published_ms }: Row): FoundPackage {
  const list = keywords === '' ? [] : keywords.split('\n')
  return { name, version, description, keywords: list, publishedAtMs: published_ms ?? undefined }
}
