/**
 * In which ranges packages are wanted by others. What metadata says is a stranger's, so all of it is bounded: names, ranges of
 * a name, and how long a range is.
 */

/** Packages that somebody depends on, kept in mind at most. */
export const MAX_NAMES = 20_000
/** Versions of one package that a project holds, generously. */
export const MAX_RANGES = 16
/** `^1.2.3 || ^2.0.0` and the like; a longer one is no guess worth its time. */
export const MAX_RANGE_LENGTH = 256

export class WantedRanges {
  readonly #byName = new Map<string, Set<string>>()

  /** False when it was wanted so before, or is too much. */
  add(name: string, range: string): boolean {
    if (range.length > MAX_RANGE_LENGTH) return false
    const ranges = this.#byName.get(name)
    if (ranges === undefined) {
      if (this.#byName.size >= MAX_NAMES) return false
      this.#byName.set(name, new Set([range]))
      return true
    }
    if (ranges.has(range) || ranges.size >= MAX_RANGES) return false
    ranges.add(range)
    return true
  }

  /** Undefined when nobody is known to want it. */
  of(name: string): ReadonlySet<string> | undefined {
    return this.#byName.get(name)
  }

  clear(): void {
    this.#byName.clear()
  }
}
