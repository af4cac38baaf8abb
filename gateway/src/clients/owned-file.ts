/**
 * Reading and replacing files that belong to the user: atomically (temporary file, then rename), through symbolic links,
 * keeping the mode. Never leaves half a file behind.
 */
import { lstat, readFile, readlink, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CatalogError, errnoOf } from '@catalog-p2p/core'
import { requireRegularFile } from '../regular-file.ts'
import { replaceFile } from '../replace-file.ts'

/** No config file is this long; a longer one is something else. */
const MAX_BYTES = 1024 * 1024
const MAX_LINKS = 40

/** The bytes, or undefined when there is no such file. @throws CatalogError STORE_FAILED, INVALID_OPTIONS */
export async function readOwnedFile(path: string): Promise<Buffer | undefined> {
  try {
    const stats = await stat(path)
    requireRegularFile(path, stats)
    const { size } = stats
    if (size > MAX_BYTES) {
      throw new CatalogError('INVALID_OPTIONS', `${path}: too long for a config file`, { size })
    }
    return await readFile(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw failed(`${path}: can't be read`, error)
  }
}

/** Replaces the file, or makes it; an existing one keeps its mode, a new one gets `mode`. */
export async function writeOwnedFile(path: string, bytes: Buffer, mode: number): Promise<void> {
  try {
    await replaceFile(await followLinks(path), bytes, { mode, keepMode: true })
  } catch (error) {
    throw failed(`${path}: can't be written`, error)
  }
}

/** Removes the file itself, not a link that leads to it. */
export async function removeOwnedFile(path: string): Promise<void> {
  try {
    await rm(await followLinks(path), { force: true })
  } catch (error) {
    throw failed(`${path}: can't be removed`, error)
  }
}

/** Where a write to `path` must go: the end of a chain of links, even if there is nothing there yet. */
async function followLinks(path: string): Promise<string> {
  let target = resolve(path)
  for (let count = 0; count < MAX_LINKS; count++) {
    const found = await lstat(target).catch(ifMissing)
    if (found?.isSymbolicLink() !== true) return target
    target = resolve(dirname(target), await readlink(target))
  }
  throw new CatalogError('STORE_FAILED', `${path}: its links go round in a circle`)
}

function ifMissing(error: unknown): undefined {
  if (errnoOf(error) === 'ENOENT') return undefined
  throw error
}

function failed(message: string, cause: unknown): CatalogError {
  if (cause instanceof CatalogError) return cause
  return new CatalogError('STORE_FAILED', `${message} (${errnoOf(cause) ?? 'unknown reason'})`, {
    cause,
  })
}
