/**
 * What one peer says it holds: a set of 4-byte prefixes of digests and of name keys (content/inventory-prefix.ts), packed and
 * sorted because a node keeps one for each of some 200 peers and asks all of them at every request. Recent changes live in a
 * small map that is merged into the packed part when it has grown. Pure. docs/protocol.md, section Inventory
 */
import { NAME_PREFIXES_FROM } from '../../content/inventory-prefix.ts'

/** What an entry of the map of recent changes takes: its place in the table, and the table's slack. */
const RECENT_BYTES = 48
const MIN_MERGE = 512
const MAX_MERGE = 8192

// Map hashes integers without a seed, so a peer could choose prefixes that collide. The salt makes that a guess.
const SALT = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

/** As a small integer, which a map holds without allocating it. */
function salted(prefix: number): number {
  return (prefix ^ SALT) | 0
}

function unsalted(key: number): number {
  return (key ^ SALT) >>> 0
}

export interface InventoryCounts {
  readonly artifacts: number
  readonly names: number
}

export class Inventory {
  /** Strictly ascending; replaced, never changed, so that a snapshot can share it. */
  #packed: Uint32Array<ArrayBuffer>
  /** Where in it to look; made when somebody looks. */
  #index: PrefixIndex | undefined
  /** Salted prefix to whether it is held; only where that differs from the packed part. */
  #recent = new Map<number, boolean>()
  #size: number
  /** Those of them that are of names. */
  #names: number

  /** @param sorted strictly ascending; the inventory owns it from now on */
  constructor(sorted: Uint32Array<ArrayBuffer> = new Uint32Array(0)) {
    this.#packed = sorted
    this.#size = sorted.length
    this.#names = sorted.length - lowerBound(sorted, NAME_PREFIXES_FROM, 0)
  }

  get size(): number {
    return this.#size
  }

  /** Memory that it takes, as near as need be. */
  get bytes(): number {
    return this.#packed.byteLength * (1 + 1 / BUCKET) + this.#recent.size * RECENT_BYTES
  }

  /** How many of them are of digests, and how many of names. */
  get counts(): InventoryCounts {
    return { artifacts: this.#size - this.#names, names: this.#names }
  }

  has(prefix: number): boolean {
    if (this.#recent.size > 0) {
      const recent = this.#recent.get(salted(prefix))
      if (recent !== undefined) return recent
    }
    this.#index ??= new PrefixIndex(this.#packed)
    return this.#index.has(this.#packed, prefix)
  }

  /** False when it was there already. */
  add(prefix: number): boolean {
    return this.#set(prefix, true)
  }

  /** False when it was not there. */
  remove(prefix: number): boolean {
    return this.#set(prefix, false)
  }

  /** All prefixes, strictly ascending. Shared: never write to it. */
  toSorted(): Uint32Array<ArrayBuffer> {
    this.#merge()
    return this.#packed
  }

  #set(prefix: number, isHeld: boolean): boolean {
    const isPacked = this.#packed[lowerBound(this.#packed, prefix, 0)] === prefix
    const wasHeld = this.#recent.get(salted(prefix)) ?? isPacked
    if (wasHeld === isHeld) return false
    if (isPacked === isHeld) this.#recent.delete(salted(prefix))
    else this.#recent.set(salted(prefix), isHeld)
    this.#size += isHeld ? 1 : -1
    if (prefix >= NAME_PREFIXES_FROM) this.#names += isHeld ? 1 : -1
    const mergeAt = Math.min(MAX_MERGE, Math.max(MIN_MERGE, this.#packed.length >>> 4))
    if (this.#recent.size > mergeAt) this.#merge()
    return true
  }

  /** Copies the runs between changes, so that its cost is a memcpy and one search a change. */
  #merge(): void {
    if (this.#recent.size === 0) return
    const changes = Uint32Array.from(this.#recent.keys(), unsalted).sort()
    const merged = new Uint32Array(this.#size)
    let from = 0
    let to = 0
    for (const prefix of changes) {
      const index = lowerBound(this.#packed, prefix, from)
      merged.set(this.#packed.subarray(from, index), to)
      to += index - from
      from = index
      if (this.#recent.get(salted(prefix)) === true) merged[to++] = prefix
      else from += 1
    }
    merged.set(this.#packed.subarray(from), to)
    this.#packed = merged
    this.#index = undefined
    this.#recent = new Map()
  }
}

/** Prefixes a bucket, on average: as many as memory gives at once. */
const BUCKET = 16

/**
 * Where the prefixes with the same first bits begin in a sorted list. A search by halves alone would wait for memory at nearly
 * every step, 30 times for each request. Costs a sixteenth of the list; one that is not spread as hashes are is searched as
 * well, only slower.
 */
class PrefixIndex {
  readonly #shift: number
  /** Of each bucket, and the end of the last. */
  readonly #starts: Uint32Array

  constructor(sorted: Uint32Array) {
    const bits = Math.max(1, Math.floor(Math.log2(sorted.length / BUCKET + 1)))
    this.#shift = 32 - bits
    this.#starts = new Uint32Array(2 ** bits + 1).fill(sorted.length)
    let bucket = 0
    for (let at = 0; at < sorted.length; at += 1) {
      const own = (sorted[at] ?? 0) >>> this.#shift
      for (; bucket <= own; bucket += 1) this.#starts[bucket] = at
    }
  }

  has(sorted: Uint32Array, prefix: number): boolean {
    const bucket = prefix >>> this.#shift
    const to = this.#starts[bucket + 1] ?? 0
    const found = lowerBound(sorted, prefix, this.#starts[bucket] ?? 0, to)
    return found < to && sorted[found] === prefix
  }
}

/** The first index from `start` on, and before `end`, whose prefix is not below `prefix`; `end` if there is none. */
function lowerBound(
  sorted: Uint32Array,
  prefix: number,
  start: number,
  end = sorted.length,
): number {
  let from = start
  let to = end
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle] ?? 0) < prefix) from = middle + 1
    else to = middle
  }
  return from
}
