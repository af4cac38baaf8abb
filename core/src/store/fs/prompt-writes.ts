/**
 * Writing, naming and looking at a small file at once on the thread that asks, while the disk answers promptly (promptness.ts): an
 * install stores a thousand, and each of these through the thread pool costs several times the call itself. In turns: together
 * they hold up a request for TURN_MS and one call at most. Errors are Node's own, as those of the files that it stands before.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../timing/clock.ts'
import type { FilesNow, StoreFiles } from './files.ts'
import { Promptness } from './promptness.ts'

/** Larger ones take longer to copy than to hand over. */
const PROMPT_BYTES = 1024 * 1024
/** Of one turn, for all that write. */
const TURN_MS = 2

export function createPromptWrites(
  files: StoreFiles,
  clock: Pick<Clock, 'now'>,
  { platform }: { platform: NodeJS.Platform } = process,
): StoreFiles {
  const prompt = new Promptness(clock)
  let spentMs = 0
  /** All wait for it together: each that waited for its own would have a turn of its own. */
  let nextTurn: Promise<void> | undefined

  async function giveWay(): Promise<void> {
    await turn()
    spentMs = 0
    nextTurn = undefined
  }

  async function either<T>(now: (files: FilesNow) => T, inPool: () => Promise<T>): Promise<T> {
    while (nextTurn !== undefined) await nextTurn
    const { now: filesNow } = files
    const startedMs = prompt.begin()
    if (startedMs === undefined || filesNow === undefined) {
      const result = await inPool()
      prompt.cameBack()
      return result
    }
    try {
      return now(filesNow)
    } finally {
      spentMs += prompt.end(startedMs)
      if (spentMs >= TURN_MS) await (nextTurn ??= giveWay())
    }
  }

  return {
    ...files,
    create(path, bytes) {
      const inPool = (): Promise<void> => files.create(path, bytes)
      if (bytes.byteLength > PROMPT_BYTES) return inPool()
      return either((now) => now.create(path, bytes), inPool)
    },
    rename(from, to) {
      const inPool = (): Promise<void> => files.rename(from, to)
      if (platform === 'win32') return inPool()
      return either((now) => now.rename(from, to), inPool)
    },
    mark: (path) =>
      either(
        (now) => now.mark(path),
        () => files.mark(path),
      ),
  }
}
