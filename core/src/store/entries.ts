/**
 * What a store holds, as memory knows it: entries, the order of their use, byte counts and listeners. Every lookup of both
 * stores ends here; no IO ever happens here. Time is passed in.
 */
import type { Digest } from '../content/digest.ts'
import type { Visibility } from '../content/visibility.ts'
import type { Retention, StoreEntry, StoreEvent } from './store.ts'

type Entry = { -readonly [K in keyof StoreEntry]: StoreEntry[K] }

export class Entries {
  readonly #entries = new Map<Digest, Entry>()
  // A Set keeps insertion order: re-inserting at each use makes it least recently used first, at O(1).
  readonly #unpinned: Readonly<Record<Retention, Set<Digest>>> = {
    cache: new Set(),
    replica: new Set(),
    own: new Set(),
  }
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  readonly #bytes: Record<Retention, number> = { cache: 0, replica: 0, own: 0 }
  #pinned = 0

  get count(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes.cache + this.#bytes.replica + this.#bytes.own
  }

  get pinned(): number {
    return this.#pinned
  }

  bytesOf(retention: Retention): number {
    return this.#bytes[retention]
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

  /** Unpinned entries of this retention, least recently used first. There is none for our own: those stay. */
  *evictable(retention: Exclude<Retention, 'own'>): Generator<StoreEntry> {
    for (const digest of this.#unpinned[retention]) {
      const entry = this.#entries.get(digest)
      if (entry !== undefined) yield entry
    }
  }

  /** Without an event; for what was there before. Least recently used first. */
  load(entry: StoreEntry): void {
    if (this.#entries.has(entry.digest)) throw new Error(`already stored: ${entry.digest}`)
    const { digest, size, visibility, retention, pinned, addedAtMs, usedAtMs } = entry
    this.#entries.set(digest, { digest, size, visibility, retention, pinned, addedAtMs, usedAtMs })
    this.#bytes[retention] += size
    if (pinned) this.#pinned += 1
    else this.#unpinned[retention].add(digest)
  }

  add(entry: StoreEntry): void {
    this.load(entry)
    this.#emit({ type: 'added', entry })
  }

  remove(digest: Digest): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return false
    this.#entries.delete(digest)
    if (!this.#unpinned[entry.retention].delete(digest)) this.#pinned -= 1
    this.#bytes[entry.retention] -= entry.size
    this.#emit({ type: 'removed', digest })
    return true
  }

  touch(digest: Digest, nowMs: number): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    entry.usedAtMs = nowMs
    const unpinned = this.#unpinned[entry.retention]
    if (unpinned.delete(digest)) unpinned.add(digest)
  }

  pin(digest: Digest, pinned: boolean): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return false
    const unpinned = this.#unpinned[entry.retention]
    if (entry.pinned) this.#pinned -= 1
    unpinned.delete(digest)
    entry.pinned = pinned
    if (pinned) this.#pinned += 1
    else unpinned.add(digest)
    return true
  }

  /** True when that changed something. */
  setRetention(digest: Digest, retention: Retention): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined || entry.retention === retention) return false
    if (this.#unpinned[entry.retention].delete(digest)) this.#unpinned[retention].add(digest)
    this.#bytes[entry.retention] -= entry.size
    this.#bytes[retention] += entry.size
    entry.retention = retention
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
