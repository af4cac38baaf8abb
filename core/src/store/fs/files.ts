/**
 * The few file operations that the store is made of, each one step of its crash-safety: tests wrap them to fail or to kill
 * the process between any two. Never decides anything; errors are Node's own.
 */
import { renameSync, statSync, writeFileSync } from 'node:fs'
import { open, readdir, stat, unlink, writeFile, type FileHandle } from 'node:fs/promises'
import { errnoOf } from '../../disk/errno.ts'
import { fingerprintOf, type FileFingerprint } from './file-fingerprint.ts'
import { makeFolder } from '../../disk/make-folder.ts'
import { renameOver } from '../../disk/rename-over.ts'
import { READ_FLAGS } from './read-sync.ts'

/** On the thread that asks, before they return. */
export interface FilesNow {
  create(path: string, bytes: Uint8Array): void
  /** Not on Windows, where others may hold the file open there, and it is tried again. */
  rename(from: string, to: string): void
  mark(path: string): FileFingerprint
}

export interface StoreFiles {
  /** Some of the following, for prompt-writes.ts; undefined: not now. */
  readonly now?: FilesNow | undefined
  /** With its parents; for this user alone. */
  makeFolder(path: string): Promise<void>
  /** Names; none when there is no such folder. */
  list(path: string): Promise<string[]>
  /** A new file with these bytes. */
  create(path: string, bytes: Uint8Array): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** False when there was none. */
  remove(path: string): Promise<boolean>
  /** What it looks like now. */
  mark(path: string): Promise<FileFingerprint>
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
    now: {
      create: (path, bytes) => writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 }),
      rename: renameSync,
      mark: (path) => fingerprintOf(statSync(path, { bigint: true })),
    },
    makeFolder,
    async list(path) {
      return (await orAbsent(readdir(path))) ?? []
    },
    async create(path, bytes) {
      await writeFile(path, bytes, { flag: 'wx', mode: 0o600 })
    },
    rename: renameOver,
    async remove(path) {
      return (await orAbsent(unlink(path).then(() => true))) ?? false
    },
    async mark(path) {
      return fingerprintOf(await stat(path, { bigint: true }))
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
    open: (path, mode) => open(path, { read: READ_FLAGS, write: 'r+', create: 'wx+' }[mode], 0o600),
  }
}

async function orAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
