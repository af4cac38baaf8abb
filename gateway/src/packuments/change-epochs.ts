/**
 * Counts the changes of packages that this gateway has heard of, so that what was fetched before a change is known to be old.
 * Remembers a bounded number of packages; one that was thrown out counts as changed. In memory only.
 */
import { LRUCache } from 'lru-cache'

const MAX_PACKAGES = 10_000

export class ChangeEpochs {
  readonly #byName = new LRUCache<string, number>({
    maxSize: MAX_PACKAGES,
    sizeCalculation: () => 1,
  })
  /** Never the same number twice. */
  #last = 0
  #ofAll = 0

  of(name: string): number {
    return Math.max(this.#byName.get(name) ?? 0, this.#ofAll)
  }

  changed(name: string): void {
    this.#byName.set(name, (this.#last += 1))
  }

  allChanged(): void {
    this.#ofAll = this.#last += 1
  }
}
