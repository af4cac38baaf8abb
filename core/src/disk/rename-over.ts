/**
 * Puts a file in another's place in one step. On Windows a virus scanner, an indexer or a reader may hold either of them open for a
 * moment, and the rename is refused meanwhile: it is tried again there, for half a second in all.
 */
import { rename as renameFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { errnoOf } from './errno.ts'

export interface RenameSystem {
  readonly platform: NodeJS.Platform
  readonly rename: (from: string, to: string) => Promise<void>
  readonly sleep: (ms: number) => Promise<unknown>
}

const HELD_OPEN: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES', 'EBUSY'])
const DELAYS_MS = [10, 30, 100, 300]

/** @throws Node's errors, on Windows the one of the last try */
export async function renameOver(
  from: string,
  to: string,
  { platform, rename, sleep }: RenameSystem = SYSTEM,
): Promise<void> {
  for (const delayMs of platform === 'win32' ? DELAYS_MS : []) {
    try {
      return await rename(from, to)
    } catch (error) {
      if (!HELD_OPEN.has(errnoOf(error))) throw error
      await sleep(delayMs)
    }
  }
  await rename(from, to)
}

const SYSTEM: RenameSystem = { platform: process.platform, rename: renameFile, sleep: pause }
