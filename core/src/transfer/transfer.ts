/**
 * Transfer: gets artifacts for this machine, and answers the requests of other peers. This is where its parts are put
 * together. It knows the three ports only by their interfaces, and decides nothing about npm, names or versions.
 */
import type { Artifact, GetOptions } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import type { PackageVersion } from '../content/name-key.ts'
import type { ArtifactRecord } from '../content/record.ts'
import type { Clock } from '../timing/clock.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Discovery } from '../discovery/discovery.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { ParsedNodeOptions } from '../options.ts'
import type { Records } from '../records/records.ts'
import type { Store } from '../store/store.ts'
import { TRANSFER_PROTOCOL } from '../wire/transfer-messages.ts'
import type { Carriers } from '../carrier/carrier.ts'
import { createAssemblyMaker } from './chunks/assembly-maker.ts'
import { createBulkSlots } from './chunks/bulk-slots.ts'
import { createChunkPool } from './chunks/chunk-pool.ts'
import { Downloads } from './downloads.ts'
import { createHasher } from './chunks/hasher.ts'
import { createPeerLinks } from './asking/peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import { createPeerLimits } from './rate-limit.ts'
import { serveStream } from './serving/serve.ts'
import type { ServeDeps } from './serving/serve-deps.ts'
import { createNamedRequests } from './sources/named.ts'
import { createUploads, type Uploads } from './serving/uploads.ts'

/** Memory for chunks that arrive. */
const POOL_BYTES = 40 * 1024 * 1024
/**
 * Streams of the transfer protocol that one peer may hold open to us. A request has 73 bytes, and each read costs 256 more: so
 * many bytes are the 256 requests that may wait on a stream (serve.ts), and half as many again.
 */
const SERVING = { maxStreamsPerPeer: 4, maxUnreadBytes: 128 * 1024 } as const

/** That came by name and were not asked for since: a caller may have left. */
const MAX_ARRIVALS = 1_000

export interface Transfer {
  start(): void
  get(digest: Digest, options: GetOptions): Promise<Artifact>
  /** The record of a version from peers; see sources/named.ts. */
  resolve(
    version: PackageVersion,
    options: { signal: AbortSignal; fetch?: boolean },
  ): Promise<ArtifactRecord | undefined>
  /** Forget streams to a peer that has gone. */
  dropPeer(peer: PeerId): void
  warmPeer(peer: PeerId): void
  readonly activeDownloads: number
  readonly uploads: Uploads
  /** Also of what was never started; idempotent. */
  stop(): Promise<void>
}

export interface TransferParts {
  readonly host: Host
  readonly store: Store
  readonly records: Records
  readonly discovery: Discovery
  readonly scores: PeerScores
  readonly fleet: Fleet
  readonly clock: Clock
  readonly log: Logger
  /** Absent: everything goes over the host. */
  readonly carriers?: Carriers | undefined
}

export function createTransfer(
  parts: TransferParts,
  options: ParsedNodeOptions['transfer'],
): Transfer {
  const { host, discovery, scores, clock, log, store, carriers } = parts
  const pool = createChunkPool({ chunkSize: options.chunkSize, maxBytes: POOL_BYTES })
  const hasher = createHasher(pool)
  const uploads = createUploads(clock, options)
  const links = createPeerLinks(
    {
      ...{ host, clock, pool, onMisbehaviour: scores.penalize },
      openCarrier: carriers && ((peer) => carriers.open(peer)),
    },
    { encodings: options.compression, maxArtifactBytes: options.maxArtifactBytes },
  )
  const limitOf = createPeerLimits(clock, options.downloadRate, options.downloadRatePerPeer)
  const arrived = createArrivals()
  const named = createNamedRequests({ ...parts, links, limitOf, onArrived: arrived.add })
  const downloads = new Downloads({
    ...parts,
    ...{ links, pool, limitOf, chunkSize: options.chunkSize },
    slots: createBulkSlots(options.maxConcurrentTransfers),
    assemblies: createAssemblyMaker({ store, hasher, log }),
    onInFlight: (digest) => {
      if (options.seed) discovery.announce(digest)
    },
    onInFlightFailed: (digest) => discovery.withdraw(digest),
  })

  return {
    start() {
      const serve = createServer(parts, { downloads, uploads }, options)
      host.handle(TRANSFER_PROTOCOL, serve, SERVING)
      carriers?.handle(serve)
    },
    async get(digest, getOptions) {
      const artifact = await downloads.get(digest, getOptions)
      const isNew = artifact.source === 'store' && arrived.take(digest)
      return isNew ? { ...artifact, source: 'peer' } : artifact
    },
    resolve: (version, options) => named.resolve(version, options),
    dropPeer(peer) {
      links.drop(peer, new CatalogError('PEER_UNREACHABLE', 'the peer has gone', { peer }))
      uploads.forget(peer)
    },
    warmPeer: links.warm,
    get activeDownloads() {
      return downloads.count
    },
    uploads,
    async stop() {
      await downloads.stop(new CatalogError('NODE_STOPPED', 'the node has stopped'))
      links.stop()
      await hasher.stop()
      pool.close()
    },
  }
}

/** Answers the streams that peers open. */
function createServer(
  { host, store, records, fleet, clock, log, scores }: TransferParts,
  { downloads, uploads }: { downloads: Downloads; uploads: Uploads },
  { seed, compression }: ParsedNodeOptions['transfer'],
): (stream: ByteStream) => Promise<void> {
  return async (stream) => {
    const { peer } = stream
    const deps: ServeDeps = {
      ...{ store, clock, log, memory: uploads.memory },
      arriving: (digest) => downloads.inFlight(digest),
      recordOf: (key) => records.listed(key),
      fetch: (wish, options) => fleet.fetchFor(peer, wish, options),
      limit: uploads.limitOf(peer),
      onServed: (bytes, whole) => uploads.count(peer, bytes, whole),
      takeBulkSlot: (digest) => uploads.slots.take(peer, digest),
      releaseBulkSlot: (digest) => uploads.slots.release(peer, digest),
      group: host.groupOf(peer) ?? peer,
    }
    try {
      await serveStream(stream, deps, { seed, encodings: compression })
    } catch (error) {
      if (isCatalogError(error, 'PEER_MISBEHAVED')) scores.penalize(peer, error.message)
      throw error
    }
  }
}

/** Artifacts that came with their record, until they are asked for: it was a peer that gave them. */
function createArrivals(): { add: (digest: Digest) => void; take: (digest: Digest) => boolean } {
  const digests = new Set<Digest>()
  return {
    add(digest) {
      if (digests.size >= MAX_ARRIVALS) digests.clear()
      digests.add(digest)
    },
    take: (digest) => digests.delete(digest),
  }
}
