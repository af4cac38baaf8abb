/**
 * Small files that look as they did when they were hashed, read at once on the thread that asks: four calls into a page cache cost a
 * fifth of a message to another thread and back. Only while the disk answers promptly, by the last read of either thread: the
 * first after a rest goes to the other thread, since a disk may have stopped turning meanwhile, and so do all for a while after one
 * that was slow. What remains: a disk or a network mount that stops answering between two reads of a second keeps the thread
 * waiting for as long as it takes, once. Never hashes, and never says what is wrong with a file: whoever gets nothing asks the
 * other way.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Expected } from './reader.ts'
import { readMarkedSync, withFileSync } from './read-sync.ts'

/** Larger ones cost more to copy than a message does. */
export const PROMPT_BYTES = 64 * 1024
/** A read that takes longer was no page cache's, or the processor was another's. */
const SLOW_MS = 5
/** For so many times as long as a slow read took the disk is left alone, which bounds what it can cost. */
const LEFT_ALONE = 10
/** For so long a prompt read speaks for the next. */
const PROMPT_FOR_MS = 1_000

export class PromptReads {
  readonly #clock: Pick<Clock, 'now'>
  #promptUntilMs = -Infinity
  #leftAloneUntilMs = -Infinity

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** undefined: it has to be read another way. */
  read(path: string, { size, mark }: Expected): Uint8Array | undefined {
    if (size > PROMPT_BYTES || mark === undefined) return undefined
    const startedMs = this.#clock.now()
    if (startedMs >= this.#promptUntilMs || startedMs < this.#leftAloneUntilMs) return undefined
    try {
      const found = withFileSync(path, (file) => readMarkedSync(file, size))
      return 'bytes' in found && found.mark === mark ? found.bytes : undefined
    } catch {
      return undefined // read the other way, it says why
    } finally {
      this.took(this.#clock.now() - startedMs)
    }
  }

  /** A read has just taken so long, on whatever thread. */
  took(ms: number): void {
    const nowMs = this.#clock.now()
    if (ms <= SLOW_MS) {
      this.#promptUntilMs = nowMs + PROMPT_FOR_MS
    } else {
      this.#promptUntilMs = -Infinity
      this.#leftAloneUntilMs = nowMs + LEFT_ALONE * ms
    }
  }
}
