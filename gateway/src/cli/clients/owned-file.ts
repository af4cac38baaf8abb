/**
 * Reading and replacing files that belong to the user: atomically (temporary file, then rename), through symbolic links,
 * keeping the mode. Never leaves half a file behind.
 */
import { randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir, open, readFile, readlink, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CatalogError } from '@catalog-p2p/core'

/** No config file is this long; a longer one is something else. */
const MAX_BYTES = 1024 * 1024
const MAX_LINKS = 40
const RENAME_TRIES = 5

/** The bytes, or undefined when there is no such file. @throws CatalogError STORE_FAILED, INVALID_OPTIONS */
export async function readOwnedFile(path: string): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) {
      throw new CatalogError('INVALID_OPTIONS', `${path}: too long for a config file`, { size })
    }
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw failed(`${path}: can't be read`, error)
  }
}

/** Replaces the file, or makes it; an existing one keeps its mode, a new one gets `mode`. */
export async function writeOwnedFile(path: string, bytes: Buffer, mode: number): Promise<void> {
  const target = await followLinks(path)
  const temporary = `${target}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await mkdir(dirname(target), { recursive: true })
    const existing = await stat(target).catch(ifMissing)
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      // Not by open's mode alone: the umask would take bits away that the file has.
      await file.chmod(existing === undefined ? mode : existing.mode & 0o7777)
      await file.sync()
    } finally {
      await file.close()
    }
    await replace(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
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

// On Windows a virus scanner may hold a file for a moment.
async function replace(from: string, to: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await rename(from, to)
      return
    } catch (error) {
      const isBusy = ['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error) ?? '')
      if (process.platform !== 'win32' || !isBusy || tries === RENAME_TRIES) throw error
      await chmod(to, 0o666).catch(ifMissing)
      await sleep(20 * tries)
    }
  }
}

function ifMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function failed(message: string, cause: unknown): CatalogError {
  if (cause instanceof CatalogError) return cause
  return new CatalogError('STORE_FAILED', `${message} (${codeOf(cause) ?? 'unknown reason'})`, {
    cause,
  })
}
