/**
 * Transfer: gets artifacts for this machine (one download a digest, shared by all who ask) and answers other peers'
 * requests. It knows the three ports only by their interfaces.
 */
import type { Artifact, GetOptions } from '../api.ts'
import type { Encoding } from '../content/compression.ts'
import type { Digest } from '../content/digest.ts'
import type { Clock } from '../timing/clock.ts'
import type { Discovery } from '../discovery/discovery.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { ParsedNodeOptions } from '../options.ts'
import type { Store } from '../store/store.ts'
import { TRANSFER_PROTOCOL } from '../wire/transfer-messages.ts'
import { createAssemblyMaker } from './chunks/assembly-maker.ts'
import { createBulkSlots } from './chunks/bulk-slots.ts'
import { createChunkPool } from './chunks/chunk-pool.ts'
import { startDownload, type Download } from './download.ts'
import { createHasher } from './chunks/hasher.ts'
import { createPeerLinks } from './asking/peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import { createRateLimit, combineRateLimits, type RateLimit } from './rate-limit.ts'
import { serveStream } from './serving/serve.ts'
import type { TransferDeps } from './transfer-deps.ts'
import { createUploads, type Uploads } from './serving/uploads.ts'

/** Memory for chunks that arrive. */
const POOL_BYTES = 40 * 1024 * 1024
/**
 * Streams of the transfer protocol that one peer may hold open to us. A request has 73 bytes, and each read costs 256 more: so
 * many bytes are the 256 requests that may wait on a stream (serve.ts), and half as many again.
 */
const SERVING = { maxStreamsPerPeer: 4, maxUnreadBytes: 128 * 1024 } as const
/** Peers whose download limit is remembered. */
const MAX_LIMITS = 1_000

export interface Transfer {
  start(): void
  get(digest: Digest, options: GetOptions): Promise<Artifact>
  /** Forget streams to a peer that has gone. */
  dropPeer(peer: PeerId): void
  warmPeer(peer: PeerId): void
  readonly activeDownloads: number
  readonly uploads: Uploads
  stop(): Promise<void>
}

interface Shared {
  readonly download: Download
  readonly cancel: AbortController
  readonly hasOrigin: boolean
  waiting: number
}

export function createTransfer(
  deps: {
    host: Host
    store: Store
    discovery: Discovery
    scores: PeerScores
    clock: Clock
    log: Logger
  },
  options: ParsedNodeOptions['transfer'],
): Transfer {
  const { host, store, discovery, scores, clock, log } = deps
  const encodings: readonly Encoding[] = options.compression
  const downloads = new Map<string, Shared>()
  const pool = createChunkPool({ chunkSize: options.chunkSize, maxBytes: POOL_BYTES })
  const hasher = createHasher(pool)
  const assemblies = createAssemblyMaker({ store, hasher, log })
  const uploads = createUploads(clock, options)
  const links = createPeerLinks(
    { host, clock, pool, onMisbehaviour: scores.lied },
    { encodings, maxArtifactBytes: options.maxArtifactBytes },
  )
  const globalLimit = createRateLimit(clock, options.downloadRate)
  const limits = new Map<PeerId, RateLimit>()
  let stopped = false

  function limitOf(peer: PeerId): RateLimit {
    let limit = limits.get(peer)
    if (limit === undefined) {
      limit = combineRateLimits(globalLimit, createRateLimit(clock, options.downloadRatePerPeer))
      if (limits.size >= MAX_LIMITS) limits.clear()
      limits.set(peer, limit)
    }
    return limit
  }

  const shared: TransferDeps = {
    store,
    discovery,
    links,
    scores,
    clock,
    log,
    chunkSize: options.chunkSize,
    limitOf,
    slots: createBulkSlots(options.maxConcurrentTransfers),
    pool,
    assemblies,
    onInFlight: (digest) => {
      if (options.seed) discovery.announce(digest)
    },
    onInFlightFailed: (digest) => discovery.withdraw(digest),
  }

  async function serve(stream: ByteStream): Promise<void> {
    try {
      await serveStream(
        stream,
        {
          store,
          clock,
          log,
          arriving: (digest) => downloads.get(keyOf(digest, true))?.download.inFlight,
          limit: uploads.limitOf(stream.peer),
          onServed: (bytes, whole) => uploads.count(stream.peer, bytes, whole),
          takeBulkSlot: (digest) => uploads.slots.take(stream.peer, digest),
          releaseBulkSlot: (digest) => uploads.slots.release(stream.peer, digest),
          memory: uploads.memory,
          group: host.groupOf(stream.peer) ?? stream.peer,
        },
        { seed: options.seed, encodings },
      )
    } catch (error) {
      if (isCatalogError(error, 'PEER_MISBEHAVED')) scores.lied(stream.peer, error.message)
      throw error
    }
  }

  async function fromStore(digest: Digest): Promise<Artifact | undefined> {
    const entry = store.entry(digest)
    if (entry === undefined) return undefined
    const { size } = entry
    if (size <= options.chunkSize) {
      try {
        const bytes = await store.read(digest)
        return { digest, source: 'store', size, bytes, body: one(bytes) }
      } catch (error) {
        if (isCatalogError(error, 'STORE_CORRUPT') || isCatalogError(error, 'NOT_FOUND'))
          return undefined
        throw error
      }
    }
    // A large one is read while it is answered: too late to find it damaged then, and to take it from elsewhere.
    if (!(await store.confirm(digest))) return undefined
    return { digest, source: 'store', size, bytes: undefined, body: readInPieces(digest, size) }
  }

  async function* readInPieces(digest: Digest, size: number): AsyncGenerator<Uint8Array> {
    let ahead = store.read(digest, { start: 0, end: Math.min(size, options.chunkSize) })
    for (let end = options.chunkSize; ; end += options.chunkSize) {
      const bytes = await ahead
      if (end < size) {
        ahead = store.read(digest, { start: end, end: Math.min(size, end + options.chunkSize) })
        ahead.catch(() => undefined) // awaited at the next turn, if there is one
      }
      yield bytes
      if (end >= size) return
    }
  }

  /** A download that counts the caller among those who wait for it. */
  async function join(digest: Digest, getOptions: GetOptions): Promise<Shared> {
    const peers = getOptions.peers ?? true
    const key = keyOf(digest, peers)
    for (;;) {
      if (stopped) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
      getOptions.signal?.throwIfAborted()
      const running = downloads.get(key)
      if (running === undefined) return begin(key, digest, { ...getOptions, peers })
      if (!running.cancel.signal.aborted) {
        running.waiting++
        return running
      }
      await running.download.finished // given up by all others; it is clearing up
    }
  }

  function begin(
    key: string,
    digest: Digest,
    getOptions: GetOptions & { readonly peers: boolean },
  ): Shared {
    const { peers } = getOptions
    const cancel = new AbortController()
    const visibility = getOptions.origin?.visibility ?? 'public'
    const download = startDownload(
      { digest, origin: getOptions.origin, peers, visibility },
      shared,
      cancel.signal,
    )
    const hasOrigin = getOptions.origin !== undefined
    const entry: Shared = { download, cancel, hasOrigin, waiting: 1 }
    downloads.set(key, entry)
    void download.finished.then(() => {
      if (downloads.get(key) === entry) downloads.delete(key)
    })
    return entry
  }

  async function get(digest: Digest, getOptions: GetOptions): Promise<Artifact> {
    for (;;) {
      if (stopped) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
      getOptions.signal?.throwIfAborted()
      const stored = await fromStore(digest)
      if (stored !== undefined) return stored
      const entry = await join(digest, getOptions)
      const leave = (): void => {
        entry.waiting--
        if (entry.waiting === 0) entry.cancel.abort(new Error('nobody waits for it any more'))
      }
      try {
        return await abortable(entry.download, getOptions.signal, leave)
      } catch (error) {
        // Others asked without an origin and failed; ours has not been tried.
        if (entry.hasOrigin || getOptions.origin === undefined || stopped) throw error
        getOptions.signal?.throwIfAborted()
        await entry.download.finished
      }
    }
  }

  return {
    start() {
      host.handle(TRANSFER_PROTOCOL, serve, SERVING)
    },
    get,
    dropPeer(peer) {
      links.drop(peer, new CatalogError('PEER_UNREACHABLE', 'the peer has gone', { peer }))
      uploads.forget(peer)
    },
    warmPeer: links.warm,
    get activeDownloads() {
      return downloads.size
    },
    uploads,
    async stop() {
      stopped = true
      const reason = new CatalogError('NODE_STOPPED', 'the node has stopped')
      const running = [...downloads.values()]
      for (const entry of running) entry.cancel.abort(reason)
      await Promise.all(running.map((entry) => entry.download.finished))
      links.stop()
      await hasher.stop()
    },
  }
}

/** The artifact, or `signal.reason`; `leave` is called when this waiter gives up, now or while it reads. */
async function abortable(
  download: Download,
  signal: AbortSignal | undefined,
  leave: () => void,
): Promise<Artifact> {
  if (signal === undefined) return await download.artifact()
  if (signal.aborted) leave()
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    leave()
    aborted.reject(signal.reason)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  void download.finished.then(() => signal.removeEventListener('abort', onAbort))
  aborted.promise.catch(() => undefined) // raced below
  return await Promise.race([download.artifact(), aborted.promise])
}

// A request that must not ask peers does not join one that does.
function keyOf(digest: Digest, peers: boolean): string {
  return peers ? digest : `alone ${digest}`
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes
}
