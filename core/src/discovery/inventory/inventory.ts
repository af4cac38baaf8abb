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
    return this.#packed.byteLength + this.#recent.size * RECENT_BYTES
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
    return this.#isPacked(prefix)
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
    if (this.has(prefix) === isHeld) return false
    if (this.#isPacked(prefix) === isHeld) this.#recent.delete(salted(prefix))
    else this.#recent.set(salted(prefix), isHeld)
    this.#size += isHeld ? 1 : -1
    if (prefix >= NAME_PREFIXES_FROM) this.#names += isHeld ? 1 : -1
    const mergeAt = Math.min(MAX_MERGE, Math.max(MIN_MERGE, this.#packed.length >>> 4))
    if (this.#recent.size > mergeAt) this.#merge()
    return true
  }

  #isPacked(prefix: number): boolean {
    return this.#packed[lowerBound(this.#packed, prefix, 0)] === prefix
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
    this.#recent = new Map()
  }
}

/** The first index from `start` on whose prefix is not below `prefix`. */
function lowerBound(sorted: Uint32Array, prefix: number, start: number): number {
  let from = start
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle] ?? 0) < prefix) from = middle + 1
    else to = middle
  }
  return from
}
