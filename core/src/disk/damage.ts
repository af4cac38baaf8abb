/** How a database shows that it is damaged, and a look for it that every start can afford. */
import type { Database } from './database.ts'
import { CatalogError } from '../errors.ts'

/** https://www.sqlite.org/rescode.html */
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26
/** 16 MiB, which take 20 ms. */
const MAX_CHECKED_PAGES = 4_096

/** Whether SQLite says that the file is not as it has left it. */
export function isDamage(error: unknown): boolean {
  const cause = error instanceof CatalogError ? error.cause : error
  if (!(cause instanceof Error) || !('errcode' in cause)) return false
  const code = Number(cause.errcode) & 0xff // the rest says more of the same
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/**
 * Reads all of a small database; a large one shows damage where it is read.
 * @throws what isDamage knows
 */
export function checkIfSmall(database: Database): void {
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count'])
  if (pages > MAX_CHECKED_PAGES) return
  const found = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (found === 'ok') return
  throw Object.assign(new Error(String(found)), { errcode: SQLITE_CORRUPT })
}
