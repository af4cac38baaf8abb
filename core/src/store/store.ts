/**
 * Port 1: where artifacts live. A digest in the store means complete and verified; nothing else
 * ever becomes visible under it. Implementations: memory-store.ts (reference) and fs-store.ts.
 * One contract suite (test/contract/store.test.ts) runs on both.
 */
import type { Digest } from '../content/digest.ts'
import type { ArtifactGeometry, ChunkTable, Manifest } from '../content/manifest.ts'
import type { Visibility } from '../content/visibility.ts'

/**
 * For how long an artifact is kept. `cache`: until its space is needed. `replica`: for others, within a quota of its own.
 * `own`: published here, never evicted.
 */
export type Retention = 'cache' | 'replica' | 'own'

export interface StoreEntry {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly visibility: Visibility
  readonly retention: Retention
  /** Pinned entries are never evicted. */
  readonly pinned: boolean
  readonly addedAtMs: number
  readonly usedAtMs: number
}

/** `added` comes again when an entry has become public or private. */
export type StoreEvent =
  | { readonly type: 'added'; readonly entry: StoreEntry }
  | { readonly type: 'removed'; readonly digest: Digest }

export interface PutOptions {
  readonly visibility: Visibility
  /** Default `cache`. */
  readonly retention?: Retention
  readonly signal?: AbortSignal
}

export interface VerifyReport {
  readonly checked: number
  readonly bytes: number
  /** Removed because their bytes no longer match; the next request fetches them again. */
  readonly corrupt: readonly Digest[]
}

export interface PruneReport {
  readonly removed: number
  /** Bytes. */
  readonly freed: number
}

export interface StoreUsage {
  readonly artifacts: number
  /** Bytes of complete artifacts. */
  readonly bytes: number
  /** Bytes of unfinished downloads. */
  readonly partialBytes: number
  readonly quotaBytes: number
  /** Bytes that are kept for others, among `bytes`, and how many that may be. */
  readonly replicaBytes: number
  readonly replicaQuotaBytes: number
  readonly pinned: number
  /** False after ENOSPC, EACCES or EROFS: the store then serves what it has and keeps nothing. */
  readonly writable: boolean
}

export interface Store {
  /** @throws CatalogError STORE_LOCKED when another process owns the folder */
  start(): Promise<void>
  /** Waits for writes under way; afterwards every call rejects with NODE_STOPPED. */
  stop(): Promise<void>

  /** False: artifacts of that kind pass through; `put` ignores them. */
  keeps(visibility: Visibility): boolean
  has(digest: Digest): boolean
  entry(digest: Digest): StoreEntry | undefined
  entries(): Iterable<StoreEntry>
  usage(): StoreUsage

  /**
   * Keeps complete bytes whose digest the caller has already verified with `digestOf`. The entry is
   * visible and readable (from memory) as soon as this returns; writing to disk goes on behind, with
   * a bounded backlog: the promise resolves when there is space for more, not when bytes are on disk.
   * Storing what is stored already is cheap; it widens a private entry to public and strengthens its retention if asked to,
   * never the other way.
   * A disk failure degrades (see `usage().writable`) and never rejects.
   */
  put(digest: Digest, bytes: Uint8Array, options: PutOptions): Promise<void>

  /** Waits until all that `put` accepted is on disk (synced) or given up. */
  flush(): Promise<void>

  /** Waits until all that `put` accepted has been written or given up: it outlives this process, though not a power failure. */
  drain(): Promise<void>

  /**
   * Bytes [start, end) of a complete artifact; marks it used. The result may be shared: never write to it.
   * @throws CatalogError NOT_FOUND, STORE_CORRUPT (the entry is dropped then)
   */
  read(digest: Digest, range?: { start: number; end: number }): Promise<Uint8Array>

  /**
   * Whether a complete artifact can be read, before its first byte is given away: a file that may have changed is hashed.
   * False when it is not here, or was damaged and has been dropped.
   */
  confirm(digest: Digest): Promise<boolean>

  /** Manifest and SHA-256 leaves (concatenated, 32 bytes each) of a complete artifact; computed once, on first need. */
  describe(digest: Digest): Promise<{ manifest: Manifest; leaves: Uint8Array }>

  /**
   * Opens an unfinished download; there may be several of one digest.
   *
   * With `leaves` it is what peers claim, and evicts nothing: it takes space as chunks land, and all of them together take no more
   * than a share of the quota, apart from what is complete; only a commit makes space among that. The first of a digest resumes what
   * an earlier run left of the same claim.
   * Without `leaves` it comes from an origin, which has said how large it is: its space is made at once. It is never resumed.
   * @throws CatalogError STORE_FULL (no space), STORE_FAILED (the disk takes no writes): go on without storing; MalformedError for
   * a geometry or leaves that break the bounds
   */
  openPartial(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    options: PutOptions,
  ): Promise<PartialArtifact>

  /** What an unfinished download kept from an earlier run is of, if there is any. */
  findPartial(digest: Digest): Promise<ChunkTable | undefined>

  /** The only way to make a public entry private. Whether it changed. */
  setVisibility(digest: Digest, visibility: Visibility): boolean

  delete(digest: Digest): Promise<boolean>
  pin(digest: Digest, pinned: boolean): Promise<boolean>
  /** Re-hashes every artifact. */
  verify(options: {
    signal?: AbortSignal
    onProgress?: (checked: number, total: number) => void
  }): Promise<VerifyReport>
  /**
   * Evicts until at most `targetBytes` remain: what is cached, then replicas, each least recently used first. Never what is
   * pinned or our own. Stale partials go as well.
   */
  prune(options: { targetBytes?: number; signal?: AbortSignal }): Promise<PruneReport>

  /** Listeners run synchronously and must not throw. Returns the function that removes it. */
  onEvent(listener: (event: StoreEvent) => void): () => void
}

export interface CommitOptions {
  readonly verified: boolean
  readonly leaves?: Uint8Array
  readonly root?: Uint8Array
}

/** What all unfinished downloads from peers may take together, as a share of the quota. */
export const CLAIMS_SHARE = 0.25

/** An unfinished download: chunks land in any order, each already verified against its leaf where there are leaves. */
export interface PartialArtifact {
  readonly geometry: ArtifactGeometry
  hasChunk(index: number): boolean
  /** Chunks present. */
  readonly present: number
  /** Keeps no reference to `bytes` once it has resolved. @throws CatalogError STORE_FULL when claims have taken their share */
  writeChunk(index: number, bytes: Uint8Array): Promise<void>
  /** Also after `commit`, whether or not the store could keep the artifact. */
  readChunk(index: number): Promise<Uint8Array>
  /**
   * Checks the sha512 of the whole, then makes the artifact visible in the store.
   * `verified` says the caller has hashed these very bytes already, in order, and they matched; `leaves` and the `root` over
   * them are what it found meanwhile, kept for `describe`. When the disk has refused some of it, it resolves all the same, but the store
   * has not got the artifact: only `readChunk` of this partial gives it.
   * @throws CatalogError DIGEST_MISMATCH, after which the partial is gone
   */
  commit(options: CommitOptions): Promise<void>
  /** Stops working on it; keeps what is there for a later run. */
  suspend(): Promise<void>
  discard(): Promise<void>
}
