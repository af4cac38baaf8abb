/**
 * A large artifact while it arrives: chunks land in any order (from peers) or bytes in order (from an origin), are hashed
 * in the worker, written to the store's partial, and can be read in order meanwhile. It becomes visible in the store,
 * and its last bytes readable, only after the whole digest has matched.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import type { Logger } from '../../log.ts'
import type { PartialArtifact } from '../../store/store.ts'
import type { HashJob } from './hasher.ts'

export interface Assembly {
  readonly geometry: ArtifactGeometry
  /** Undefined while they are not known: of bytes from an origin, until the whole has matched. */
  readonly leaves: Uint8Array | undefined
  /** Of its size that has come, 0 to 1. */
  readonly share: number
  readonly chunks: number
  /** A whole chunk. False: it does not match its leaf and was dropped. Holds the caller back while writing lags.
   * `onDone`: pooled bytes are no longer read (other bytes are kept for readers). */
  add(index: number, bytes: Uint8Array, onDone?: () => void): Promise<boolean>
  /** The next bytes in order, from an origin. */
  append(bytes: Uint8Array): Promise<void>
  /** Loads what an earlier run left. Resolves to the chunks that are present. */
  resume(): Promise<number[]>
  has(index: number): boolean
  /** The chunks that are present; a copy. */
  present(): Bitfield
  /** One present chunk, for serving onward. */
  chunk(index: number): Promise<Uint8Array>
  /** Resolves when the whole digest has matched and the store has it; rejects when it did not match or `fail` was called. */
  readonly verified: Promise<void>
  readonly isVerified: boolean
  /** In order; the end only after `verified`. Any number of readers. */
  read(): AsyncGenerator<Uint8Array>
  /** Ends it, unless it is being committed already. Keeps the partial for a later run if `keep`. Never rejects. */
  fail(reason: unknown, options: { keep: boolean }): Promise<void>
  /** Settles when the partial is committed or closed. Never rejects. */
  readonly closed: Promise<void>
}

export interface AssemblyDeps {
  readonly partial: PartialArtifact
  readonly job: HashJob
  readonly log: Logger
  /** Bytes kept in memory for readers just now; what is older is read back from the partial. */
  readonly memoryBytes: () => number
}
