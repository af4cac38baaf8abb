/**
 * The heads that this node knows, kept over restarts: of each name and publisher the one with the highest sequence. An older one
 * is refused (a rollback), another one of the same sequence too (a fork), and of a fork both sides are kept as evidence. Only
 * heads that were asked for, published here or taken in for others are put in, so strangers can't fill it.
 */
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Digest } from '../content/digest.ts'
import { nameKeyFromBytes, nameKeyToBytes, type NameKey } from '../content/name-key.ts'
import { openDatabase, type Database } from '../disk/database.ts'
import { canCreateFolder } from '../disk/make-folder.ts'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Clock } from '../timing/clock.ts'
import { claimedHeadName, openHead, type Head } from './head.ts'
import { headKeyOf } from './head-key.ts'

const HEADS_FILE = 'heads.sqlite'
const MAX_HEADS = 50_000
const MAX_FORKS = 1_000
/** Opened heads in memory, by the bytes they were opened from. */
const OPENED_BYTES = 32 * 1024 * 1024

/** `cache`: found for somebody here. `own`: published with a key of this machine. `hidden`: own, and told to nobody. */
export type HeadOrigin = 'cache' | 'own' | 'hidden'

export interface KnownHead {
  readonly head: Head
  /** As it was signed. */
  readonly statement: Uint8Array
  readonly origin: HeadOrigin
  /** Signed when the head was, for the DHT: heads that are too large for a value have one, once it was seen. */
  readonly pointer: Uint8Array | undefined
}

/** Two different heads of one sequence number, or a head that does not follow the one it says to follow. */
export interface Fork {
  readonly head: Head
  /** As signed: the one that was known, and the one that was refused. */
  readonly statements: readonly [known: Uint8Array, refused: Uint8Array]
  /** Milliseconds since the Unix epoch. */
  readonly seenAtMs: number
}

export type HeadVerdict = 'new' | 'same' | 'older' | 'fork'

export interface HeadBook {
  get(key: NameKey): KnownHead | undefined
  has(key: NameKey): boolean
  /** Of a head that is known its package, the one of that key, without verifying it anew: a signature costs milliseconds. */
  nameOf(key: NameKey): string | undefined
  /**
   * Takes a head in, if it is newer than what is known.
   * @param options.key it was asked for: a head of any other name or publisher is refused, not put in
   * @throws CatalogError INVALID_STATEMENT
   */
  accept(
    statement: Uint8Array,
    options: { key?: NameKey; origin?: HeadOrigin; pointer?: Uint8Array | undefined },
  ): { readonly verdict: HeadVerdict; readonly head: Head }
  /** For the head that is known, if it is still the one of this digest: whoever asks the DHT finds the head by it. */
  keepPointer(
    key: NameKey,
    options: { readonly digest: Digest; readonly pointer: Uint8Array },
  ): void
  /** Keys of heads of an origin, those that have changed last at the end. */
  keys(origin: HeadOrigin): NameKey[]
  forks(): Fork[]
  /** Forgets a head and its forks: the next one of any sequence is taken again. Whether there was one. */
  forget(key: NameKey): boolean
  close(): void
}

/** In memory without a folder, and where its file can't be opened: the store says why. */
export async function openHeadBook(
  folder: string | undefined,
  deps: { readonly clock: Clock; readonly log: Logger },
): Promise<HeadBook> {
  try {
    if (folder !== undefined && (await canCreateFolder(folder))) {
      return createHeadBook(await openDatabase(join(folder, HEADS_FILE)), deps)
    }
  } catch (error) {
    deps.log.warn('heads.not-kept', { folder, error })
  }
  return createHeadBook(await openDatabase(':memory:'), deps)
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS heads (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, origin TEXT NOT NULL,
    statement BLOB NOT NULL, pointer BLOB
  ) STRICT;
  CREATE TABLE IF NOT EXISTS forks (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, known BLOB NOT NULL, refused BLOB NOT NULL,
    seen_ms INTEGER NOT NULL
  ) STRICT;`

export function createHeadBook(
  database: Database,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): HeadBook {
  database.exec(SCHEMA)
  const sql = prepare(database)
  const opened = new LRUCache<NameKey, KnownHead>({
    maxSize: OPENED_BYTES,
    sizeCalculation: ({ statement }) => statement.byteLength,
  })
  let isOpen = true

  function get(key: NameKey): KnownHead | undefined {
    const known = opened.get(key)
    if (known !== undefined || !isOpen) return known
    const row = sql.get.get(nameKeyToBytes(key))
    try {
      const read = row && openRow(key, row)
      if (read !== undefined) opened.set(key, read)
      return read
    } catch (error) {
      log.warn('heads.damaged', { key, error })
      return undefined
    }
  }

  function keepFork(key: NameKey, known: KnownHead, refused: Uint8Array): void {
    const { name, publisher, sequence } = known.head
    log.error('heads.fork', { name, publisher, sequence })
    sql.addFork.run(nameKeyToBytes(key), known.statement, refused, clock.epochMs())
    sql.trimForks.run(MAX_FORKS)
  }

  return {
    get,
    has: (key) => isOpen && sql.has.get(nameKeyToBytes(key)) !== undefined,
    nameOf: (key) => (isOpen ? nameOfRow(key, sql.get.get(nameKeyToBytes(key))) : undefined),
    accept(statement, { key: expected, origin = 'cache', pointer }) {
      const head = openHead(statement)
      const key = headKeyOf(head)
      if (expected !== undefined && key !== expected) {
        throw new CatalogError('INVALID_STATEMENT', 'a head of another name or publisher')
      }
      const known = get(key)
      const verdict = judge(head, known?.head)
      if (verdict === 'fork' && known !== undefined && isOpen) keepFork(key, known, statement)
      if (verdict !== 'new' || !isOpen) return { verdict, head }
      const copy = Uint8Array.from(statement)
      // What is ours stays ours when it comes back from a peer.
      const kept = origin === 'cache' && known !== undefined ? known.origin : origin
      opened.delete(key)
      sql.put.run(nameKeyToBytes(key), kept, copy, pointer ?? null)
      opened.set(key, { head, statement: copy, origin: kept, pointer })
      sql.trim.run(MAX_HEADS)
      return { verdict, head }
    },
    keepPointer(key, { digest, pointer }) {
      const known = get(key)
      if (known?.head.digest !== digest || known.pointer !== undefined || !isOpen) return
      const copy = Uint8Array.from(pointer)
      sql.keepPointer.run(copy, nameKeyToBytes(key))
      opened.set(key, { ...known, pointer: copy })
    },
    keys: (origin) =>
      isOpen
        ? sql.keys.all(origin).flatMap(({ key }) => (key instanceof Uint8Array ? [toKey(key)] : []))
        : [],
    forks: () => (isOpen ? sql.forks.all().flatMap(toFork) : []),
    forget(key) {
      if (!isOpen) return false
      opened.delete(key)
      sql.forgetFork.run(nameKeyToBytes(key))
      return sql.forget.run(nameKeyToBytes(key)).changes > 0
    },
    close() {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}

/** Verified anew: whoever may write our files could otherwise publish. @throws CatalogError INVALID_STATEMENT */
function openRow(
  key: NameKey,
  { statement, pointer, origin }: Record<string, unknown>,
): KnownHead | undefined {
  if (!(statement instanceof Uint8Array) || !isOrigin(origin)) return undefined
  const head = openHead(statement)
  if (headKeyOf(head) !== key) return undefined
  return {
    ...{ head, statement, origin },
    pointer: pointer instanceof Uint8Array ? pointer : undefined,
  }
}

/** Undefined for one that is damaged as well: whoever opens it says so. */
function nameOfRow(key: NameKey, row: Record<string, unknown> | undefined): string | undefined {
  const { statement } = row ?? {}
  if (!(statement instanceof Uint8Array)) return undefined
  try {
    const claimed = claimedHeadName(statement)
    return headKeyOf(claimed) === key ? claimed.name : undefined
  } catch {
    return undefined
  }
}

function prepare(database: Database) {
  return {
    get: database.prepare('SELECT origin, statement, pointer FROM heads WHERE key = ?'),
    has: database.prepare('SELECT 1 FROM heads WHERE key = ?'),
    // A new row each time, so that the oldest ids are those that have not changed for longest.
    put: database.prepare(
      'INSERT OR REPLACE INTO heads (key, origin, statement, pointer) VALUES (?, ?, ?, ?)',
    ),
    keepPointer: database.prepare('UPDATE heads SET pointer = ? WHERE key = ?'),
    keys: database.prepare('SELECT key FROM heads WHERE origin = ? ORDER BY id'),
    trim: database.prepare(
      `DELETE FROM heads WHERE origin = 'cache' AND id <=
         (SELECT id FROM heads WHERE origin = 'cache' ORDER BY id DESC LIMIT 1 OFFSET ?)`,
    ),
    forget: database.prepare('DELETE FROM heads WHERE key = ?'),
    // The first evidence of a package is enough.
    addFork: database.prepare(
      'INSERT OR IGNORE INTO forks (key, known, refused, seen_ms) VALUES (?, ?, ?, ?)',
    ),
    trimForks: database.prepare(
      'DELETE FROM forks WHERE id <= (SELECT id FROM forks ORDER BY id DESC LIMIT 1 OFFSET ?)',
    ),
    forks: database.prepare('SELECT known, refused, seen_ms FROM forks ORDER BY id DESC'),
    forgetFork: database.prepare('DELETE FROM forks WHERE key = ?'),
  }
}

function judge(head: Head, known: Head | undefined): HeadVerdict {
  if (known === undefined) return 'new'
  if (head.digest === known.digest) return 'same'
  if (head.sequence < known.sequence) return 'older'
  if (head.sequence === known.sequence) return 'fork'
  // Between heads further apart there were others, which nobody here has seen.
  const follows = head.sequence > known.sequence + 1 || head.previous === known.digest
  return follows ? 'new' : 'fork'
}

function isOrigin(value: unknown): value is HeadOrigin {
  return value === 'cache' || value === 'own' || value === 'hidden'
}

function toFork({ known, refused, seen_ms: seenAtMs }: Record<string, unknown>): Fork[] {
  if (!(known instanceof Uint8Array) || !(refused instanceof Uint8Array)) return []
  try {
    const statements = [known, refused] as const
    return [{ head: openHead(known), statements, seenAtMs: Number(seenAtMs) }]
  } catch {
    return [] // damaged: no evidence of anything
  }
}

const toKey = (bytes: Uint8Array): NameKey => nameKeyFromBytes(Uint8Array.from(bytes))
