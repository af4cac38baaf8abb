/**
 * What a store holds, as memory knows it: entries, the order of their use, byte counts and listeners. Every lookup of both
 * stores ends here; no IO ever happens here. Time is passed in.
 */
import type { Digest } from '../content/digest.ts'
import type { Visibility } from '../content/visibility.ts'
import type { StoreEntry, StoreEvent } from './store.ts'

type Entry = { -readonly [K in keyof StoreEntry]: StoreEntry[K] }

export class Entries {
  readonly #entries = new Map<Digest, Entry>()
  // A Set keeps insertion order: re-inserting at each use makes it least recently used first, at O(1).
  readonly #unpinned = new Set<Digest>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #bytes = 0

  get count(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get pinned(): number {
    return this.#entries.size - this.#unpinned.size
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest)
  }

  /** A snapshot. */
  get(digest: Digest): StoreEntry | undefined {
    const entry = this.#entries.get(digest)
    return entry && { ...entry }
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#entries.get(digest)?.size
  }

  /** Snapshots, live: what is added or removed while iterating may or may not be seen. */
  *all(): Generator<StoreEntry> {
    for (const entry of this.#entries.values()) yield { ...entry }
  }

  /** Unpinned entries, least recently used first. */
  *evictable(): Generator<StoreEntry> {
    for (const digest of this.#unpinned) {
      const entry = this.#entries.get(digest)
      if (entry !== undefined) yield entry
    }
  }

  /** Without an event; for what was there before. Least recently used first. */
  load(entry: StoreEntry): void {
    if (this.#entries.has(entry.digest)) throw new Error(`already stored: ${entry.digest}`)
    const { digest, size, visibility, pinned, addedAtMs, usedAtMs } = entry
    this.#entries.set(digest, { digest, size, visibility, pinned, addedAtMs, usedAtMs })
    this.#bytes += entry.size
    if (!entry.pinned) this.#unpinned.add(entry.digest)
  }

  add(entry: StoreEntry): void {
    this.load(entry)
    this.#emit({ type: 'added', entry })
  }

  remove(digest: Digest): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return false
    this.#entries.delete(digest)
    this.#unpinned.delete(digest)
    this.#bytes -= entry.size
    this.#emit({ type: 'removed', digest })
    return true
  }

  touch(digest: Digest, nowMs: number): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    entry.usedAtMs = nowMs
    if (this.#unpinned.delete(digest)) this.#unpinned.add(digest)
  }

  pin(digest: Digest, pinned: boolean): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return false
    entry.pinned = pinned
    this.#unpinned.delete(digest)
    if (!pinned) this.#unpinned.add(digest)
    return true
  }

  /** Private becomes public if asked to, never the other way. True when that changed something. */
  widen(digest: Digest, visibility: Visibility): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined || entry.visibility === 'public' || visibility === 'private') {
      return false
    }
    return this.setVisibility(digest, 'public')
  }

  /** Either way. True when that changed something. */
  setVisibility(digest: Digest, visibility: Visibility): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined || entry.visibility === visibility) return false
    entry.visibility = visibility
    this.#emit({ type: 'added', entry: { ...entry } })
    return true
  }

  onEvent(listener: (event: StoreEvent) => void): () => void {
    // A wrapper, so that a listener given twice is called twice and removed one at a time.
    const own = (event: StoreEvent): void => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  #emit(event: StoreEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
