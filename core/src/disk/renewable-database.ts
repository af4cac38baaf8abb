/**
 * Databases of what can be learned again: one that shows damage when it is opened is put aside and made anew, so that it is neither in the
 * way of a daemon nor damaged for ever. A large one may show damage only later, when it is read. Never for what nobody else has.
 */
import { rm } from 'node:fs/promises'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { checkIfSmall, isDamage } from './damage.ts'
import { openDatabase, toOpenError, type Database } from './database.ts'
import { renameOver } from './rename-over.ts'

export interface RenewableOptions {
  readonly log: Logger
  /** What it means when it is made anew, for the log. */
  readonly effect: string
}

/**
 * @param use prepares it
 * @throws CatalogError as openDatabase, also for what `use` throws
 */
export async function openRenewable<T>(
  path: string,
  { log, effect }: RenewableOptions,
  use: (database: Database) => T,
): Promise<T> {
  try {
    return await openFor(path, use)
  } catch (error) {
    if (!isDamage(error)) throw error
    const keptAs = `${path}.damaged`
    log.warn('database.damaged', { path, reason: String(error), keptAs, effect })
    await putAside(path, keptAs)
    return await openFor(path, use)
  }
}

async function openFor<T>(path: string, use: (database: Database) => T): Promise<T> {
  const database = await openDatabase(path)
  try {
    checkIfSmall(database)
    return use(database)
  } catch (error) {
    database.close()
    throw error instanceof CatalogError ? error : toOpenError(error, path)
  }
}

async function putAside(path: string, keptAs: string): Promise<void> {
  try {
    await renameOver(path, keptAs)
    for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true })
  } catch (error) {
    throw toOpenError(error, path)
  }
}
