/**
 * Small files that look as they did when they were hashed, read at once on the thread that asks: four calls into a page cache cost a
 * fifth of a message to another thread and back. Only while the disk answers promptly: after a read that kept the thread waiting all
 * go the other way for a while. Never hashes, and never says what is wrong with a file: whoever gets nothing asks the other way.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Expected } from './reader.ts'
import { readMarkedSync, withFileSync } from './read-sync.ts'

/** Larger ones cost more to copy than a message does. */
export const PROMPT_BYTES = 64 * 1024
/** A read that takes longer was no page cache's, or the processor was another's. */
const SLOW_MS = 5
/** For so many times as long as it has kept the thread waiting it is left alone, which bounds what a slow disk can cost. */
const LEFT_ALONE = 10

export class PromptReads {
  readonly #clock: Pick<Clock, 'now'>
  #leftAloneUntilMs = -Infinity

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** undefined: it has to be read another way. */
  read(path: string, { size, mark }: Expected): Uint8Array | undefined {
    if (size > PROMPT_BYTES || mark === undefined) return undefined
    const startedMs = this.#clock.now()
    if (startedMs < this.#leftAloneUntilMs) return undefined
    try {
      const found = withFileSync(path, (file) => readMarkedSync(file, size))
      return 'bytes' in found && found.mark === mark ? found.bytes : undefined
    } catch {
      return undefined // read the other way, it says why
    } finally {
      const endedMs = this.#clock.now()
      const tookMs = endedMs - startedMs
      if (tookMs > SLOW_MS) this.#leftAloneUntilMs = endedMs + LEFT_ALONE * tookMs
    }
  }
}
