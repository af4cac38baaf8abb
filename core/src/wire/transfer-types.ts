/** The messages of the transfer protocol as types; transfer-messages.ts is their bytes. docs/protocol.md, section Transfer */
import type { Bitfield } from '../content/bitfield.ts'
import type { Encoding } from '../content/compression.ts'
import type { Digest } from '../content/digest.ts'
import type { NameKey, PackageVersion } from '../content/name-key.ts'
import type { ArtifactRecord } from '../content/record.ts'

export const STATUS_IDS = {
  'not-found': 1,
  busy: 2,
  refused: 3,
  'bad-request': 4,
  cancelled: 5,
} as const
export type Status = keyof typeof STATUS_IDS

/** Sent first by both sides. Unknown encodings and trailing bytes are ignored, so it can grow. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  /** What the sender can decode, best first. */
  readonly encodings: readonly Encoding[]
}
/** Asks for the manifest, and for the bytes too if they are one chunk. */
export interface Want {
  readonly type: 'want'
  readonly id: number
  readonly digest: Digest
}
export interface WantChunk {
  readonly type: 'want-chunk'
  readonly id: number
  readonly digest: Digest
  readonly index: number
  /** SHA-256 leaf that it must have: who holds other bytes there, of another manifest, has not got it. */
  readonly leaf: Uint8Array
}
/** Asks for the record of a name, and for its artifact as Want does. */
export interface WantNamed {
  readonly type: 'want-named'
  readonly id: number
  readonly key: NameKey
}
/** The asker no longer needs it. It is answered all the same: by what was on its way, or by the status `cancelled`. */
export interface Cancel {
  readonly type: 'cancel'
  readonly id: number
}
/**
 * WantNamed of a version that this peer need not have yet: it fetches it from its own registry, if it likes, and answers then.
 * Only among machines of one fleet, and only of what is public: the name is told.
 */
export interface WantFetch {
  readonly type: 'want-fetch'
  readonly id: number
  readonly version: PackageVersion
  /** What the asker's lockfile says; undefined: whichever bytes a record proves. */
  readonly digest: Digest | undefined
}
/**
 * Answers Want. `leaves` is empty for an artifact of one chunk: there the digest itself is the proof, and a Chunk
 * follows. `present` is the bitfield of an artifact that is still arriving at the sender.
 */
export interface ManifestAnswer {
  readonly type: 'manifest'
  readonly id: number
  readonly size: number
  readonly chunkSize: number
  readonly leaves: Uint8Array
  readonly present: Bitfield | undefined
}
/** Answers WantNamed, before the manifest. */
export interface RecordAnswer {
  readonly type: 'record'
  readonly id: number
  readonly record: ArtifactRecord
}
export interface ChunkAnswer {
  readonly type: 'chunk'
  readonly id: number
  readonly index: number
  readonly encoding: Encoding
  readonly bytes: Uint8Array
}
export interface StatusAnswer {
  readonly type: 'status'
  readonly id: number
  readonly status: Status
}

/** Our own upload limit holds the answer back; it comes in time. Any number of them, before the last answer. */
export interface WaitAnswer {
  readonly type: 'wait'
  readonly id: number
}

/** It is being fetched for a WantFetch. Again and again, for as long as that goes on. */
export interface FetchingAnswer {
  readonly type: 'fetching'
  readonly id: number
}

export type Request = Hello | Want | WantChunk | WantNamed | WantFetch | Cancel
export type Answer =
  Hello | RecordAnswer | ManifestAnswer | ChunkAnswer | StatusAnswer | WaitAnswer | FetchingAnswer
