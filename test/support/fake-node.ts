/**
 * A CatalogNode in memory, for tests of what stands in front of one: verifies digests, shares downloads, streams what is
 * large and holds its end back until it is verified, as the real one does. Its peers are a map that the test fills.
 */
import { Lookout, Manners } from '../../core/src/fleet/watch.ts'
import { systemClock } from '../../core/src/timing/clock.ts'
import {
  CatalogError,
  digestOf,
  type Artifact,
  type ArtifactSource,
  type CatalogNode,
  type Digest,
  type GetOptions,
} from '@catalog-p2p/core'
import { NO_NETWORK } from './machines/no-network.ts'

type Visibility = 'public' | 'private'

export interface Asked {
  readonly digest: Digest
  readonly peers: boolean
  readonly visibility: Visibility | undefined
}

export interface FakeNode extends CatalogNode {
  /** What peers hold; never given to a `get` with `peers: false`. */
  readonly peerHolds: Map<Digest, Uint8Array>
  readonly stored: Map<Digest, { bytes: Uint8Array; visibility: Visibility; pinned: boolean }>
  /** Every `get`, in order. */
  readonly asked: readonly Asked[]
  /** Downloads from origins begun, and aborted because nobody waited any more. */
  readonly origins: { opened: number; aborted: number }
}

/** From this size on, bytes are streamed. */
const LARGE_BYTES = 256 * 1024

interface Flight {
  readonly artifact: Promise<Artifact>
  readonly controller: AbortController
  readonly chunks: Uint8Array[]
  waiting: number
  done: boolean
  error: Error | undefined
  wake: PromiseWithResolvers<void>
}

export function createFakeNode(): FakeNode {
  const stored: FakeNode['stored'] = new Map()
  const peerHolds = new Map<Digest, Uint8Array>()
  const asked: Asked[] = []
  const origins = { opened: 0, aborted: 0 }
  const flights = new Map<Digest, Flight>()
  const served = {
    store: { artifacts: 0, bytes: 0 },
    peer: { artifacts: 0, bytes: 0 },
    origin: { artifacts: 0, bytes: 0 },
  }

  function store(digest: Digest, bytes: Uint8Array, visibility: Visibility): void {
    stored.set(digest, { bytes, visibility, pinned: false })
  }

  function whole(digest: Digest, bytes: Uint8Array, source: ArtifactSource): Artifact {
    served[source].artifacts += 1
    served[source].bytes += bytes.byteLength
    return { digest, source, size: bytes.byteLength, bytes, body: one(bytes) }
  }

  function download(digest: Digest, options: GetOptions): Flight {
    const { origin } = options
    const controller = new AbortController()
    const flight: Flight = {
      artifact: Promise.resolve().then(() => run()),
      ...{ controller, chunks: [], waiting: 0, done: false, error: undefined },
      wake: Promise.withResolvers(),
    }
    const stir = (): void => {
      const { resolve } = flight.wake
      flight.wake = Promise.withResolvers()
      resolve()
    }
    async function run(): Promise<Artifact> {
      if (origin === undefined) throw new CatalogError('NO_PROVIDERS', `nobody has ${digest}`)
      origins.opened += 1
      const { size, body } = await origin.open({ signal: controller.signal })
      if (size === undefined || size < LARGE_BYTES) {
        const parts: Uint8Array[] = []
        for await (const part of body) parts.push(part)
        const bytes = Buffer.concat(parts)
        check(digest, bytes)
        store(digest, bytes, origin.visibility)
        return whole(digest, bytes, 'origin')
      }
      void pump(body)
      return { digest, source: 'origin', size, bytes: undefined, body: one(new Uint8Array(0)) }
    }
    async function pump(body: AsyncIterable<Uint8Array>): Promise<void> {
      try {
        let held: Uint8Array | undefined
        for await (const part of body) {
          if (held !== undefined) flight.chunks.push(held)
          held = part
          stir()
        }
        const bytes = Buffer.concat([...flight.chunks, held ?? new Uint8Array(0)])
        check(digest, bytes)
        store(digest, bytes, origin?.visibility ?? 'public')
        if (held !== undefined) flight.chunks.push(held)
      } catch (error) {
        flight.error = error instanceof Error ? error : new Error(String(error))
      }
      flight.done = true
      flights.delete(digest)
      stir()
    }
    flights.set(digest, flight)
    flight.artifact.then(
      (artifact) => artifact.bytes !== undefined && flights.delete(digest),
      () => flights.delete(digest),
    )
    return flight
  }

  async function* follow(flight: Flight, leave: () => void): AsyncGenerator<Uint8Array, void> {
    try {
      for (let next = 0; ;) {
        const chunk = flight.chunks[next]
        if (chunk !== undefined) {
          next += 1
          yield chunk
        } else if (flight.error !== undefined) throw flight.error
        else if (flight.done) return
        else await flight.wake.promise
      }
    } finally {
      leave()
    }
  }

  async function get(digest: Digest, options: GetOptions = {}): Promise<Artifact> {
    const { peers = true, origin, signal } = options
    asked.push({ digest, peers, visibility: origin?.visibility })
    signal?.throwIfAborted()
    const here = stored.get(digest)
    if (here !== undefined) return whole(digest, here.bytes, 'store')
    const there = peers ? peerHolds.get(digest) : undefined
    if (there !== undefined) {
      check(digest, there)
      store(digest, there, 'public')
      return whole(digest, there, 'peer')
    }
    const flight = flights.get(digest) ?? download(digest, options)
    flight.waiting += 1
    let left = false
    const leave = (): void => {
      if (left) return
      left = true
      flight.waiting -= 1
      if (flight.waiting > 0 || flight.done || !flights.has(digest)) return
      origins.aborted += 1
      flights.delete(digest)
      flight.controller.abort(new Error('nobody waits'))
    }
    const gone = Promise.withResolvers<never>()
    gone.promise.catch(() => undefined)
    signal?.addEventListener('abort', () => {
      leave()
      gone.reject(signal.reason)
    })
    const artifact = await Promise.race([flight.artifact, gone.promise])
    return artifact.bytes === undefined ? { ...artifact, body: follow(flight, leave) } : artifact
  }

  return {
    ...{ id: 'fake-node', peerHolds, stored, asked, origins, get },
    async put(bytes, options = {}) {
      const digest = digestOf(bytes)
      store(digest, bytes, options.visibility ?? 'public')
      return digest
    },
    fleet: {
      delegateOf: () => undefined,
      serve: () => undefined,
      stats: noFleet,
      metadata: {
        join: () => undefined,
        delegateOf: () => undefined,
        isMember: () => false,
        watch: (_, options) => new Lookout(systemClock).watch(new Manners(systemClock), options),
        succeeded: () => undefined,
        missed: () => undefined,
        gave: () => undefined,
      },
    },
    questions: {
      holders: () => [],
      peers: () => [],
      announce: () => undefined,
      withdraw: () => undefined,
      ask: async () => undefined,
      answer: () => ({ start: () => undefined, stop: async () => undefined }),
      penalize: () => undefined,
    },
    publications: {
      publish: () => Promise.reject(new CatalogError('STORE_FAILED', 'a fake publishes nothing')),
      change: () => Promise.reject(new CatalogError('NOT_FOUND', 'a fake has no packages')),
      head: async () => undefined,
      knownHead: () => undefined,
      offered: () => undefined,
      take: () => undefined,
      release: async () => undefined,
      releases: async () => [],
      own: () => [],
      told: () => [],
      forks: () => [],
      forget: () => false,
    },
    addRecord: async () => 'unknown',
    findRecord: () => undefined,
    resolve: async () => undefined,
    describe: () => Promise.reject(new CatalogError('NOT_FOUND', 'a fake describes nothing')),
    has: (digest) => stored.has(digest),
    entry(digest) {
      const found = stored.get(digest)
      if (found === undefined) return undefined
      const { bytes, visibility, pinned } = found
      const times = { addedAtMs: 1, usedAtMs: 1 }
      return { digest, size: bytes.byteLength, visibility, retention: 'cache', pinned, ...times }
    },
    counts: () => ({ peers: 0, inventories: 0, uploaded: { artifacts: 0, bytes: 0 } }),
    stats: () => ({
      ...{ id: 'fake-node', addresses: [], problems: [], peers: 0, inventories: 0 },
      ...{ bannedPeers: 0, announced: 0 },
      network: NO_NETWORK,
      ...{ activeDownloads: flights.size, misbehaviour: 0, served },
      uploaded: { artifacts: 0, bytes: 0 },
      forks: [],
      fleet: noFleet(),
      store: {
        artifacts: stored.size,
        bytes: [...stored.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
        ...{
          partialBytes: 0,
          quotaBytes: 1e9,
          replicaBytes: 0,
          replicaQuotaBytes: 2e8,
          writable: true,
        },
        pinned: [...stored.values()].filter(({ pinned }) => pinned).length,
      },
    }),
    peers: () => [],
    connect: () => Promise.reject(new CatalogError('PEER_UNREACHABLE', 'a fake has no network')),
    async pin(digest, pinned) {
      const found = stored.get(digest)
      if (found !== undefined) found.pinned = pinned
      return found !== undefined
    },
    setVisibility(digest, visibility) {
      const found = stored.get(digest)
      if (found === undefined || found.visibility === visibility) return false
      found.visibility = visibility
      return true
    },
    remove: async (digest) => stored.delete(digest),
    verify: async () => ({ checked: stored.size, bytes: 0, corrupt: [] }),
    async prune() {
      const removed = stored.size
      stored.clear()
      return { removed, freed: 0 }
    },
    flush: async () => undefined,
    onEvent: () => () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function check(digest: Digest, bytes: Uint8Array): void {
  if (digestOf(bytes) === digest) return
  throw new CatalogError('DIGEST_MISMATCH', `these are not the bytes of ${digest}`)
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}

function noFleet(): ReturnType<CatalogNode['stats']>['fleet'] {
  const none = {
    ...{ members: 0, received: 0, failed: 0 },
    misses: { silent: 0, slow: 0, refused: 0, failed: 0 },
  }
  return { ...none, fetched: 0, metadata: { ...none, given: 0 } }
}
