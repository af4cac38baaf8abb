/**
 * The one embedded index for everything that persists: SQLite, as Node ships it (no dependency, nothing to compile).
 * A database is owned by one process: the operating system drops the lock when that process dies, however it dies.
 * Its files are for its user alone, whatever their folder lets others do.
 */
import { chmod, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DatabaseSync } from 'node:sqlite'
import type * as sqlite from 'node:sqlite'
import { CatalogError } from '../errors.ts'
import { errnoOf } from './errno.ts'
import { makeFolder } from './make-folder.ts'

export type Database = DatabaseSync

/**
 * Opens (creating it and its folder) a database for this process alone; `':memory:'` keeps it in memory.
 * @throws CatalogError STORE_LOCKED when another process has it open, STORE_FAILED for any other reason
 */
export async function openDatabase(path: string): Promise<Database> {
  const { DatabaseSync } = await importSqlite()
  let database: DatabaseSync | undefined
  try {
    if (path !== ':memory:') {
      await makeFolder(dirname(path))
      await makePrivateFile(path)
    }
    database = new DatabaseSync(path)
    // EXCLUSIVE before WAL: the lock is taken at the first read and held, and no shared memory file is made.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;')
    database.exec('PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT;')
    return database
  } catch (error) {
    database?.close()
    throw toOpenError(error, path)
  }
}

/**
 * Opens a database in a folder that may not be written, such as a store baked into an image. Takes no lock: no other process may
 * write to it either.
 * @throws CatalogError STORE_FAILED
 */
export async function openReadOnly(path: string): Promise<Database> {
  const { DatabaseSync } = await importSqlite()
  try {
    // Without `immutable` SQLite wants to write lock and log files even to read.
    const url = new URL(`${pathToFileURL(path).href}?immutable=1`)
    return new DatabaseSync(url, { readOnly: true })
  } catch (error) {
    throw toOpenError(error, path)
  }
}

/**
 * SQLite would make it with whatever mode the umask leaves; its log gets the mode of the database. Never opens a file that is
 * there: closing it would drop the lock that this process may hold on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
async function makePrivateFile(path: string): Promise<void> {
  await writeFile(path, '', { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
  })
  for (const file of [path, `${path}-wal`]) {
    await chmod(file, 0o600).catch(() => undefined) // not there, or on a file system without modes
  }
}

/** What opening throws for an error of SQLite or of the file system. */
export function toOpenError(error: unknown, path: string): CatalogError {
  const message = error instanceof Error ? error.message : String(error)
  if (/locked|busy/i.test(message)) {
    return new CatalogError('STORE_LOCKED', `another process is using ${path}`, {
      cause: error,
      hint: 'stop the other catalog process, or give this one a folder of its own with --store',
    })
  }
  return new CatalogError('STORE_FAILED', `cannot open ${path}: ${message}`, {
    cause: error,
    hint: 'check that the folder exists and that you may write to it',
  })
}

let imported: Promise<typeof sqlite> | undefined

// Once: two imports at a time would each restore what the other had put in place.
function importSqlite(): Promise<typeof sqlite> {
  imported ??= importQuietly()
  return imported
}

// Node marks node:sqlite as experimental with a warning on first import; we pin what we use with tests, and a warning that
// a user can do nothing about does not belong in a terminal.
async function importQuietly(): Promise<typeof sqlite> {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return await import('node:sqlite')
  } finally {
    process.emitWarning = emit
  }
}
