/**
 * The few file operations that the store is made of, each one step of its crash-safety: tests wrap them to fail or to kill
 * the process between any two. Never decides anything; errors are Node's own.
 */
import { mkdir, open, readdir, rename, unlink, writeFile, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface StoreFiles {
  /** With its parents; for this user alone. */
  makeFolder(path: string): Promise<void>
  /** Names; none when there is no such folder. */
  list(path: string): Promise<string[]>
  /** A new file with these bytes. */
  create(path: string, bytes: Uint8Array): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** False when there was none. */
  remove(path: string): Promise<boolean>
  /** To the disk itself. */
  sync(path: string): Promise<void>
  /** Makes renames inside survive a power failure, where the platform can. */
  syncFolder(path: string): Promise<void>
  /** For positional reads and writes. `create`: it must not exist yet. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile>
}

/** What the store uses of a FileHandle. `close` waits for operations under way. */
export type OpenFile = Pick<FileHandle, 'read' | 'write' | 'stat' | 'close'>

export function createNodeFiles(): StoreFiles {
  return {
    async makeFolder(path) {
      await mkdir(path, { recursive: true, mode: 0o700 })
    },
    async list(path) {
      return (await orAbsent(readdir(path))) ?? []
    },
    async create(path, bytes) {
      await writeFile(path, bytes, { flag: 'wx', mode: 0o600 })
    },
    rename: renameWithPatience,
    async remove(path) {
      return (await orAbsent(unlink(path).then(() => true))) ?? false
    },
    async sync(path) {
      // 'r+': Windows flushes only what it may write to.
      const file = await open(path, 'r+')
      try {
        await file.sync()
      } finally {
        await file.close()
      }
    },
    async syncFolder(path) {
      if (process.platform === 'win32') return // NTFS journals renames; there is no call for it
      const folder = await open(path, 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    },
    open: (path, mode) => open(path, { read: 'r', write: 'r+', create: 'wx+' }[mode], 0o600),
  }
}

/** Node's error code (ENOENT, ENOSPC, ...) or SQLite's message; undefined for what is neither. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

async function orAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

// A virus scanner or indexer on Windows holds new files open for a moment, and the rename is refused meanwhile.
const RENAME_DELAYS_MS = process.platform === 'win32' ? [10, 30, 100, 300] : []

async function renameWithPatience(from: string, to: string): Promise<void> {
  for (const delayMs of RENAME_DELAYS_MS) {
    try {
      await rename(from, to)
      return
    } catch (error) {
      if (!['EPERM', 'EACCES', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error
      await sleep(delayMs)
    }
  }
  await rename(from, to)
}
