/** What the parts of a transfer share; transfer.ts builds it. Types only. */
import type { Clock } from '../timing/clock.ts'
import type { Digest } from '../content/digest.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { Records } from '../records/records.ts'
import type { Store } from '../store/store.ts'
import type { AssemblyMaker } from './chunks/assembly-maker.ts'
import type { BulkSlots } from './chunks/bulk-slots.ts'
import type { ChunkPool } from './chunks/chunk-pool.ts'
import type { PeerLinks } from './asking/peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import type { RateLimit } from './rate-limit.ts'

export interface TransferDeps {
  readonly host: Pick<Host, 'id'>
  readonly store: Store
  readonly discovery: Discovery
  readonly links: PeerLinks
  readonly scores: PeerScores
  readonly fleet: Fleet
  readonly records: Records
  readonly clock: Clock
  readonly log: Logger
  /** Bytes; of artifacts that come from an origin. */
  readonly chunkSize: number
  /** Our own download limit, for one peer and for all. */
  readonly limitOf: (peer: PeerId) => RateLimit
  /** Places for artifacts that come in bulk from one peer. */
  readonly slots: BulkSlots
  readonly pool: ChunkPool
  readonly assemblies: AssemblyMaker
  /** A public artifact has begun to arrive and can be passed on. */
  readonly onInFlight: (digest: Digest) => void
  readonly onInFlightFailed: (digest: Digest) => void
}
