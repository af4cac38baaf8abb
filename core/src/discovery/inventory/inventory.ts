/**
 * What one peer says it holds: a set of 8-byte digest prefixes, packed (8 bytes each, sorted) because a node keeps one for
 * each of some 200 peers and asks all of them at every request. Recent changes live in a small map that is merged into the
 * packed part when it has grown. Pure. docs/protocol.md, section Inventory
 */

/** What an entry of the map of recent changes takes: two BigInts and its place in the table. */
const RECENT_BYTES = 96
const MIN_MERGE = 512
const MAX_MERGE = 8192

// Map hashes integers without a seed, so a peer could choose prefixes that collide. The salt makes that a guess.
const SALT = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n

// The packed prefixes are compared as two 32-bit halves: reading a BigInt out of the array would allocate it.
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const LOW = IS_LITTLE_ENDIAN ? 0 : 1
const HIGH = 1 - LOW
const needle = new BigUint64Array(1)
const needleWords = new Uint32Array(needle.buffer)

export class Inventory {
  /** Strictly ascending; replaced, never changed, so that a snapshot can share it. */
  #packed: BigUint64Array<ArrayBuffer>
  #words: Uint32Array
  /** Salted prefix to whether it is held; only where that differs from the packed part. */
  #recent = new Map<bigint, boolean>()
  #size: number

  /** @param sorted strictly ascending; the inventory owns it from now on */
  constructor(sorted: BigUint64Array<ArrayBuffer> = new BigUint64Array(0)) {
    this.#packed = sorted
    this.#words = toWords(sorted)
    this.#size = sorted.length
  }

  get size(): number {
    return this.#size
  }

  /** Memory that it takes, as near as need be. */
  get bytes(): number {
    return this.#packed.byteLength + this.#recent.size * RECENT_BYTES
  }

  has(prefix: bigint): boolean {
    if (this.#recent.size > 0) {
      const recent = this.#recent.get(prefix ^ SALT)
      if (recent !== undefined) return recent
    }
    return this.#isPacked(prefix)
  }

  /** False when it was there already. */
  add(prefix: bigint): boolean {
    return this.#set(prefix, true)
  }

  /** False when it was not there. */
  remove(prefix: bigint): boolean {
    return this.#set(prefix, false)
  }

  /** All prefixes, strictly ascending. Shared: never write to it. */
  toSorted(): BigUint64Array<ArrayBuffer> {
    this.#merge()
    return this.#packed
  }

  #set(prefix: bigint, isHeld: boolean): boolean {
    if (this.has(prefix) === isHeld) return false
    if (this.#isPacked(prefix) === isHeld) this.#recent.delete(prefix ^ SALT)
    else this.#recent.set(prefix ^ SALT, isHeld)
    this.#size += isHeld ? 1 : -1
    const mergeAt = Math.min(MAX_MERGE, Math.max(MIN_MERGE, this.#packed.length >>> 4))
    if (this.#recent.size > mergeAt) this.#merge()
    return true
  }

  #isPacked(prefix: bigint): boolean {
    const index = lowerBound(this.#words, prefix, 0)
    // lowerBound has left the prefix in needleWords.
    return (
      2 * index < this.#words.length &&
      this.#words[2 * index + HIGH] === needleWords[HIGH] &&
      this.#words[2 * index + LOW] === needleWords[LOW]
    )
  }

  /** Copies the runs between changes, so that its cost is a memcpy and one search a change. */
  #merge(): void {
    if (this.#recent.size === 0) return
    const changes = BigUint64Array.from(this.#recent.keys(), (salted) => salted ^ SALT).sort()
    const merged = new BigUint64Array(this.#size)
    let from = 0
    let to = 0
    for (const prefix of changes) {
      const index = lowerBound(this.#words, prefix, from)
      merged.set(this.#packed.subarray(from, index), to)
      to += index - from
      from = index
      if (this.#recent.get(prefix ^ SALT) === true) merged[to++] = prefix
      else from += 1
    }
    merged.set(this.#packed.subarray(from), to)
    this.#packed = merged
    this.#words = toWords(merged)
    this.#recent = new Map()
  }
}

function toWords(prefixes: BigUint64Array<ArrayBuffer>): Uint32Array {
  return new Uint32Array(prefixes.buffer, prefixes.byteOffset, prefixes.length * 2)
}

/** The first index from `start` on whose prefix is not below `prefix`. */
function lowerBound(words: Uint32Array, prefix: bigint, start: number): number {
  needle[0] = prefix
  const high = needleWords[HIGH] ?? 0
  const low = needleWords[LOW] ?? 0
  let from = start
  let to = words.length >>> 1
  while (from < to) {
    const middle = (from + to) >>> 1
    const middleHigh = words[2 * middle + HIGH] ?? 0
    const isBelow =
      middleHigh < high || (middleHigh === high && (words[2 * middle + LOW] ?? 0) < low)
    if (isBelow) from = middle + 1
    else to = middle
  }
  return from
}
