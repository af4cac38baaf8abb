/** Puts a small file in place in one step: a temporary file beside it, synced, then renamed. Never leaves half of one. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, renameOver } from '@catalog-p2p/core'

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
