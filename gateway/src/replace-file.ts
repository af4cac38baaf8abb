/** Puts a small file in place in one step: a temporary file beside it, synced, then renamed. Never leaves half of one. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '@catalog-p2p/core'

const RENAME_TRIES = 5

export interface ReplaceOptions {
  /** Permissions of a new file. */
  readonly mode: number
  /** An existing file keeps its own permissions. */
  readonly keepMode: boolean
}

/** @throws Node's errors */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  { mode, keepMode }: ReplaceOptions,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      // Not by open's mode alone: the umask would take bits away that the file has.
      await file.chmod(keepMode ? await modeOf(path, mode) : mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await renameOver(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function modeOf(path: string, otherwise: number): Promise<number> {
  try {
    return (await stat(path)).mode & 0o7777
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return otherwise
    throw error
  }
}

// On Windows a virus scanner or an indexer may hold the old file for a moment.
async function renameOver(from: string, to: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await rename(from, to)
      return
    } catch (error) {
      const code = errnoOf(error) ?? ''
      const isBusy = process.platform === 'win32' && ['EPERM', 'EACCES', 'EBUSY'].includes(code)
      if (!isBusy || tries === RENAME_TRIES) throw error
      await sleep(20 * tries)
    }
  }
}
