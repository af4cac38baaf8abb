/**
 * Small files that look as they did when they were hashed, read at once on the thread that asks: four calls into a page cache cost a
 * fifth of a message to another thread and back. Only while the disk answers promptly, by the last read of either thread
 * (promptness.ts). Never hashes, and never says what is wrong with a file: whoever gets nothing asks the other way.
 */
import type { Clock } from '../../timing/clock.ts'
import { Promptness } from './promptness.ts'
import type { Expected } from './reader.ts'
import { readMarkedSync, withFileSync } from './read-sync.ts'

/** Larger ones cost more to copy than a message does. */
export const PROMPT_BYTES = 64 * 1024

export class PromptReads {
  readonly #prompt: Promptness

  constructor(clock: Pick<Clock, 'now'>) {
    this.#prompt = new Promptness(clock)
  }

  /** undefined: it has to be read another way. */
  read(path: string, { size, mark }: Expected): Uint8Array | undefined {
    if (size > PROMPT_BYTES || mark === undefined) return undefined
    const startedMs = this.#prompt.begin()
    if (startedMs === undefined) return undefined
    try {
      const found = withFileSync(path, (file) => readMarkedSync(file, size))
      return 'bytes' in found && found.mark === mark ? found.bytes : undefined
    } catch {
      return undefined // read the other way, it says why
    } finally {
      this.#prompt.end(startedMs)
    }
  }

  /** A read has just taken so long, on whatever thread. */
  took(ms: number): void {
    this.#prompt.took(ms)
  }
}
