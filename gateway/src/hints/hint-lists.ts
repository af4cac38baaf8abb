/**
 * The lists of the clients at work, newest first. Bounded: a new list drops the one that has been
 * quiet for longest. Fetches nothing itself; the caller brings the time.
 */
import { hintKey, type Hint } from './hint.ts'
import { HintList } from './hint-list.ts'

/** About one per client at work. */
const MAX_LISTS = 4

export class HintLists {
  #lists: HintList[] = []

  add(hints: readonly Hint[], nowMs: number): void {
    this.#lists.sort((a, b) => b.touchedMs - a.touchedMs)
    this.#lists = [new HintList(hints, nowMs), ...this.#lists.slice(0, MAX_LISTS - 1)]
  }

  /** A client asks for that version: on how many lists it was fetched ahead, and whether it was only listed on one. */
  claim(
    { name, version }: { name: string; version: string | undefined },
    nowMs: number,
  ): { ahead: number; isListed: boolean } {
    if (version === undefined || this.#lists.length === 0) return { ahead: 0, isListed: false }
    const key = hintKey({ name, version })
    const claims = this.#lists.map((list) => list.claim(key, nowMs))
    const ahead = claims.filter((claim) => claim === 'ahead').length
    return { ahead, isListed: claims.includes('listed') }
  }

  /** The next hint to fetch, of the first list whose client is at it. */
  next(nowMs: number): { list: HintList; hint: Hint } | undefined {
    for (const list of this.#lists) {
      const hint = list.next(nowMs)
      if (hint !== undefined) return { list, hint }
    }
    return undefined
  }

  clear(): void {
    this.#lists = []
  }
}
