/** What serving one stream needs. Types only. */
import type { Clock } from '../../timing/clock.ts'
import type { Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'
import type { NameKey } from '../../content/name-key.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import type { Fetcher } from '../../fleet/fleet.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Logger } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import type { Assembly } from '../chunks/assembly.ts'
import type { RateLimit } from '../rate-limit.ts'
import type { UploadMemory } from './upload-memory.ts'

export interface ServeDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** A public download under way, whose verified chunks can be passed on. */
  readonly arriving: (digest: Digest) => Assembly | undefined
  /** What may be told of a name: its artifact is public, and in the store. */
  readonly recordOf: (key: NameKey) => ArtifactRecord | undefined
  /** Fetches from our registry, for this asker. */
  readonly fetch: Fetcher
  readonly limit: RateLimit
  readonly onServed: (bytes: number, whole: boolean) => void
  /** Takes a place among the artifacts moving in bulk to this peer; false when all are taken. */
  readonly takeBulkSlot: (digest: Digest) => boolean
  readonly releaseBulkSlot: (digest: Digest) => void
  readonly memory: UploadMemory
  /** Where the asker is. */
  readonly group: AddressGroup
}

export interface ServeOptions {
  readonly seed: boolean
  readonly encodings: readonly Encoding[]
}
