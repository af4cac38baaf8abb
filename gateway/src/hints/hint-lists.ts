/**
 * The lists of the clients at work, newest first, and one of guesses behind them. Bounded: a new list drops the one that has been
 * quiet for longest. Fetches nothing itself; the caller brings the time.
 */
import { hintKey, type Hint } from './hint.ts'
import { HintList } from './hint-list.ts'

/** About one per client at work. */
const MAX_LISTS = 4
/** Guesses that no tarball followed for so long were about another project. */
const GUESSES_MS = 120_000

export class HintLists {
  #lists: HintList[] = []
  #guesses: HintList | undefined

  add(hints: readonly Hint[], nowMs: number): void {
    this.#lists.sort((a, b) => b.touchedMs - a.touchedMs)
    this.#lists = [new HintList(hints, nowMs), ...this.#lists.slice(0, MAX_LISTS - 1)]
  }

  /** `isNewList`: the guesses before it were forgotten, or there were none; `isNew`: it was not on the list yet. */
  guess(
    hint: Hint,
    { maxPackages, nowMs }: { maxPackages: number; nowMs: number },
  ): { isNewList: boolean; isNew: boolean } {
    const current = this.#guesses
    const isNewList = current === undefined || nowMs - current.touchedMs > GUESSES_MS
    const list = isNewList ? new HintList([], nowMs) : current
    this.#guesses = list
    return { isNewList, isNew: list.add(hint, maxPackages) }
  }

  /** A client asks for that version: on how many lists it was fetched ahead, and whether it was only listed on one. */
  claim(
    { name, version }: { name: string; version: string | undefined },
    nowMs: number,
  ): { ahead: number; isListed: boolean } {
    if (version === undefined) return { ahead: 0, isListed: false }
    const key = hintKey({ name, version })
    const claims = this.#all().map((list) => list.claim(key, nowMs))
    const ahead = claims.filter((claim) => claim === 'ahead').length
    return { ahead, isListed: claims.includes('listed') }
  }

  /** The next hint to fetch, of the first list whose client is at it. */
  next(nowMs: number): { list: HintList; hint: Hint } | undefined {
    for (const list of this.#all()) {
      const hint = list.next(nowMs)
      if (hint !== undefined) return { list, hint }
    }
    return undefined
  }

  clear(): void {
    this.#lists = []
    this.#guesses = undefined
  }

  #all(): readonly HintList[] {
    return this.#guesses === undefined ? this.#lists : [...this.#lists, this.#guesses]
  }
}
