/**
 * Makes a folder with its parents, for this user alone. Not with Node's `recursive`: that never ends where a file system says
 * ENOENT inside a folder that is there, as /proc does (https://man7.org/linux/man-pages/man2/mkdir.2.html), and what never
 * ends can't be reported.
 */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errnoOf } from './errno.ts'

/** @throws Node's errors */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = []
  for (let folder = resolve(path); !(await isThere(folder)); folder = dirname(folder)) {
    missing.push(folder)
    if (folder === dirname(folder)) break // a drive that is not there: making it says so
  }
  for (const folder of missing.reverse()) await makeOne(folder)
}

/** False where no folder can be made at all, as in /proc. Other failures may pass, and are for who uses the folder to report. */
export async function canCreateFolder(path: string): Promise<boolean> {
  try {
    await makeFolder(path)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ENOENT'
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    // Another process made it just now, or it is a file.
    if (errnoOf(error) !== 'EEXIST' || !(await isFolder(folder))) throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
  throw Object.assign(new Error(`ENOTDIR: not a folder '${path}'`), { code: 'ENOTDIR', path })
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory()
}
