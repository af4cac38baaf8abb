/**
 * Which bytes a registry has under a name and version, as it has shown or said itself, kept over restarts: name@version,
 * registry and whom it told to digest. Never what a client, a lockfile or a peer says. It also tells what names a stored artifact has. What is
 * forgotten is asked for anew, so rows are written together, a little later; what a registry told to credentials at once, so that no
 * private artifact that was shared is ever without its name.
 */
import { LRUCache } from 'lru-cache'
import { isDigest, type Database, type Digest, type Logger } from '@catalog-p2p/core'
import { WaitingRows } from '../../waiting-rows.ts'

export interface NamedVersion {
  /** The registry's URL. */
  readonly registry: string
  /** Fingerprint of the credentials it was told to; empty: none, or the registry is public, and tells everybody the same. */
  readonly owner: string
  readonly name: string
  /** The tarball's file name where that does not tell the version. */
  readonly version: string
}

/** Whether npm has signed these bytes under this name; undefined: nobody has looked, or seen a signature. */
export type SignatureState = 'valid' | 'none' | undefined

export interface Bindings {
  /** Counts as a use. */
  has(version: NamedVersion, digest: Digest): boolean
  signature(version: NamedVersion, digest: Digest): SignatureState
  add(version: NamedVersion, digest: Digest, signature?: SignatureState): void
  /** undefined too when the registry has had several under that version. */
  digestOf(version: NamedVersion): Digest | undefined
  /** Its versions may have changed. */
  forget(name: string): void
  /** All names of which bytes are known. */
  names(): string[]
  /** What is known of the versions of a name, whosever it is. */
  versionsOf(name: string): { version: string; digest: Digest }[]
  /** All that is known of what an artifact is called. */
  namesOf(digest: Digest): (NamedVersion & { signature: SignatureState })[]
  /** Writes what waits. */
  close(): void
}

/** About 300 bytes each. */
const MAX_BINDINGS = 200_000
/** So many go at once; the table may be longer than its bound by so many. */
const TRIM_ROWS = 1_000
/** A day: frequent reads must not become frequent writes. */
const TOUCH_AFTER_MS = 86_400_000
/** Versions whose rows are remembered: every tarball that is asked for is looked up several times. */
const REMEMBERED = { maxSize: 8_192, sizeCalculation: () => 1 }
/** What is added waits for so long, or until there is so much of it. */
const FLUSH_MS = 1_000
const MAX_BATCH = 500

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS version_bindings (
    registry TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    signature TEXT, used_ms INTEGER NOT NULL, PRIMARY KEY (name, version, registry, owner, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS version_bindings_by_digest ON version_bindings (digest);
  CREATE INDEX IF NOT EXISTS version_bindings_by_use ON version_bindings (used_ms);
  DROP TABLE IF EXISTS lockfile_digests;
`

/**
 * Earlier versions did not note whom a registry told: what one that is not public said is then what it tells strangers. Nor
 * whether a signature was wrong or only missing, so it is looked for again.
 */
function takeOver(database: Database): void {
  const find = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'bindings'"
  if (database.prepare(find).get() === undefined) return
  database.exec(`
    BEGIN;
    INSERT OR IGNORE INTO version_bindings
      SELECT registry, '', name, version, digest, nullif(signature, 'none'), used_ms FROM bindings;
    DROP TABLE bindings;
    COMMIT;
  `)
}

interface Row extends NamedVersion {
  readonly digest: string
  readonly signature: string | null
  readonly used_ms: number
}

const NONE: readonly Row[] = []

export interface BindingsOptions {
  readonly maxRows?: number
  readonly now?: () => number
  /** Told of what could not be written. */
  readonly log?: Pick<Logger, 'warn'>
}

export function createBindings(
  database: Database,
  { maxRows = MAX_BINDINGS, now = Date.now, log }: BindingsOptions = {},
): Bindings {
  database.exec(SCHEMA)
  takeOver(database)
  const sql = prepare(database)
  const count = (): number => (sql.count.get() as { rows: number }).rows
  let rows = count()

  const remembered = new LRUCache<string, readonly Row[]>(REMEMBERED)
  const waiting = new WaitingRows<Row>(database, {
    ...{ write: sql.write, onWritten: trim, log, event: 'metadata.not-written' },
    ...{ flushMs: FLUSH_MS, maxRows: MAX_BATCH },
  })

  const find = (named: NamedVersion): readonly Row[] => {
    const key = keyOf(named)
    const known = remembered.get(key)
    if (known !== undefined) return known
    if (waiting.has(key)) waiting.flush() // forgotten before it was written
    if (rows === 0) return NONE // of a fresh machine, which has most to do
    const { registry, owner, name, version } = named
    const found = sql.find.all(name, version, registry, owner) as unknown as Row[]
    remembered.set(key, found)
    return found
  }

  const findOne = (version: NamedVersion, digest: Digest): Row | undefined =>
    find(version).find((row) => row.digest === digest)

  // An update counts as well: then it is trimmed, and counted anew, a little early.
  function trim(written: number): void {
    rows += written
    if (rows < maxRows + Math.min(TRIM_ROWS, maxRows)) return
    rows = count()
    if (rows <= maxRows) return
    sql.trim.run(rows - maxRows)
    remembered.clear()
    rows = maxRows
  }

  return {
    has(version, digest) {
      const row = findOne(version, digest)
      if (row === undefined) return false
      if (now() - row.used_ms > TOUCH_AFTER_MS) {
        waiting.flush()
        sql.touch.run(now(), row.name, row.version, row.registry, row.owner)
        remembered.delete(keyOf(version))
      }
      return true
    },
    signature: (version, digest) => toState(findOne(version, digest)?.signature),
    add(named, digest, signature) {
      const { registry, owner, name, version } = named
      const known = find(named)
      const old = known.find((row) => row.digest === digest)
      const state = signature ?? old?.signature ?? null
      const row = { registry, owner, name, version, digest, signature: state, used_ms: now() }
      const key = keyOf(named)
      remembered.set(key, [...known.filter((each) => each !== old), row])
      waiting.add(key, digest, row)
      if (owner !== '') waiting.flush()
    },
    digestOf(version) {
      const [row, another] = find(version)
      return another === undefined && row !== undefined && isDigest(row.digest)
        ? row.digest
        : undefined
    },
    forget(name) {
      waiting.flush()
      sql.forget.run(name)
      remembered.clear()
    },
    ...namesIn(sql, () => waiting.flush()),
    close: () => waiting.flush(),
  }
}

/** All rows, those that waited too. */
function namesIn(
  sql: ReturnType<typeof prepare>,
  flush: () => void,
): Pick<Bindings, 'names' | 'versionsOf' | 'namesOf'> {
  return {
    names() {
      flush()
      return (sql.names.all() as { name: string }[]).map(({ name }) => name)
    },
    versionsOf(name) {
      flush()
      const found = sql.byName.all(name) as { version: string; digest: string }[]
      return found.flatMap(({ version, digest }) => (isDigest(digest) ? [{ version, digest }] : []))
    },
    namesOf(digest) {
      flush()
      return (sql.byDigest.all(digest) as unknown as Row[]).map(
        ({ registry, owner, name, version, signature }) => {
          return { registry, owner, name, version, signature: toState(signature) }
        },
      )
    },
  }
}

function prepare(database: Database) {
  const add = database.prepare(
    `INSERT INTO version_bindings (registry, owner, name, version, digest, signature, used_ms)
       VALUES (?,?,?,?,?,?,?)
       ON CONFLICT DO UPDATE SET used_ms = excluded.used_ms,
         signature = coalesce(excluded.signature, signature)`,
  )
  return {
    find: database.prepare(
      'SELECT * FROM version_bindings WHERE name = ? AND version = ? AND registry = ? AND owner = ?',
    ),
    byDigest: database.prepare('SELECT * FROM version_bindings WHERE digest = ?'),
    names: database.prepare('SELECT DISTINCT name FROM version_bindings'),
    byName: database.prepare('SELECT version, digest FROM version_bindings WHERE name = ?'),
    touch: database.prepare(
      `UPDATE version_bindings SET used_ms = ?
         WHERE name = ? AND version = ? AND registry = ? AND owner = ?`,
    ),
    write: ({ registry, owner, name, version, digest, signature, used_ms }: Row): void => {
      add.run(registry, owner, name, version, digest, signature, used_ms)
    },
    forget: database.prepare('DELETE FROM version_bindings WHERE name = ?'),
    count: database.prepare('SELECT count(*) AS rows FROM version_bindings'),
    trim: database.prepare(
      `DELETE FROM version_bindings WHERE (name, version, registry, owner, digest) IN
         (SELECT name, version, registry, owner, digest FROM version_bindings ORDER BY used_ms LIMIT ?)`,
    ),
  }
}

/** Where private packages leave no trace on disk: what is not known to be public goes into a table of this run. */
export function splitBindings(
  kept: Bindings,
  { unkept, isOpen }: { unkept: Bindings | undefined; isOpen: (version: NamedVersion) => boolean },
): Bindings {
  if (unkept === undefined) return kept
  return {
    has: (version, digest) => kept.has(version, digest) || unkept.has(version, digest),
    signature: (version, digest) =>
      kept.signature(version, digest) ?? unkept.signature(version, digest),
    add(version, digest, signature) {
      const isPublic = signature === 'valid' || isOpen(version)
      const table = isPublic ? kept : unkept
      table.add(version, digest, signature)
    },
    digestOf: (version) => kept.digestOf(version) ?? unkept.digestOf(version),
    forget(name) {
      kept.forget(name)
      unkept.forget(name)
    },
    names: () => [...new Set([...kept.names(), ...unkept.names()])],
    versionsOf: (name) => [...kept.versionsOf(name), ...unkept.versionsOf(name)],
    namesOf: (digest) => [...kept.namesOf(digest), ...unkept.namesOf(digest)],
    close() {
      kept.close()
      unkept.close()
    },
  }
}

function keyOf({ registry, owner, name, version }: NamedVersion): string {
  return `${name}\n${version}\n${registry}\n${owner}`
}

function toState(text: string | null | undefined): SignatureState {
  return text === 'valid' || text === 'none' ? text : undefined
}
