/**
 * One list of hints, and how far ahead of its client we may run. A list says what a project's tree holds, not what is missing
 * from the client's own cache: so it does nothing until the client asks for a tarball of it, and what was fetched ahead and
 * not yet asked for is never more than what the client did ask for. Pure; the caller brings the time.
 */
import { hintKey, type Hint } from './hint.ts'

/** Fetched ahead and not yet asked for, at most. */
const MAX_AHEAD = 64
/** A client that asked for nothing for this long does something else. */
const SILENCE_MS = 5_000
/** So many failures in a row: whatever is wrong, the client will find out by itself. */
const MAX_FAILURES = 8

export class HintList {
  readonly #waiting: Map<string, Hint>
  readonly #ahead = new Set<string>()
  #asked = 0
  #failures = 0
  #touchedMs: number

  constructor(hints: readonly Hint[], nowMs: number) {
    this.#waiting = new Map(hints.map((hint) => [hintKey(hint), hint]))
    this.#touchedMs = nowMs
  }

  get touchedMs(): number {
    return this.#touchedMs
  }

  /** The client asks for it. `ahead`: it was of this list, and was fetched ahead. */
  claim(key: string, nowMs: number): 'ahead' | 'listed' | undefined {
    const wasAhead = this.#ahead.delete(key)
    if (!wasAhead && !this.#waiting.delete(key)) return undefined
    this.#asked += 1
    this.#touchedMs = nowMs
    return wasAhead ? 'ahead' : 'listed'
  }

  /** The next one to fetch, which counts as ahead from now on; undefined when it is not the time. */
  next(nowMs: number): Hint | undefined {
    if (this.#ahead.size >= Math.min(MAX_AHEAD, this.#asked)) return undefined
    if (nowMs - this.#touchedMs > SILENCE_MS || this.#failures >= MAX_FAILURES) return undefined
    const first = this.#waiting.entries().next()
    if (first.done === true) return undefined
    const [key, hint] = first.value
    this.#waiting.delete(key)
    this.#ahead.add(key)
    return hint
  }

  /** What came of a hint that `next` gave out. What was not fetched is not ahead. */
  done(key: string, result: 'fetched' | 'skipped' | 'failed'): void {
    if (result !== 'fetched') this.#ahead.delete(key)
    if (result === 'failed') this.#failures += 1
    if (result === 'fetched') this.#failures = 0
  }
}
