/**
 * Transfers over the in-memory network, each with a store and a discovery of its own, stopped when the test has finished; and
 * origins that do what the test says.
 */
import { onTestFinished } from 'vitest'
import type { Origin } from '../../core/src/api.ts'
import { systemClock, type Clock } from '../../core/src/timing/clock.ts'
import type { Digest } from '../../core/src/content/digest.ts'
import type { Discovery } from '../../core/src/discovery/discovery.ts'
import {
  createMemoryDirectory,
  createMemoryDiscovery,
} from '../../core/src/discovery/memory-discovery.ts'
import { CatalogError } from '../../core/src/errors.ts'
import { createFleet, type Fleet } from '../../core/src/fleet/fleet.ts'
import type { Host } from '../../core/src/host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import { createMemoryStore } from '../../core/src/store/memory-store.ts'
import type { Visibility } from '../../core/src/content/visibility.ts'
import type { Records } from '../../core/src/records/records.ts'
import type { Store } from '../../core/src/store/store.ts'
import { createPeerScores, type PeerScores } from '../../core/src/transfer/peer-score.ts'
import { createTransfer, type Transfer } from '../../core/src/transfer/transfer.ts'
import { TRANSFER_PROTOCOL } from '../../core/src/wire/transfer-messages.ts'
import { CHUNK_SIZE, type Blob } from './blobs.ts'
import { answering, type Answering } from './hostile-peer.ts'
import { readAll } from './read-all.ts'
import { memoryRecords } from './records.ts'

export interface Node {
  readonly host: Host
  readonly store: Store
  readonly records: Records
  readonly discovery: Discovery
  readonly scores: PeerScores
  readonly fleet: Fleet
  readonly transfer: Transfer
  readonly bans: string[]
  /** Digests it has told the network about, and taken back. */
  readonly told: string[]
  put(artifact: Blob, visibility?: Visibility): Promise<void>
}

export interface World {
  readonly network: MemoryNetwork
  /** Machines of one local network: all of them, unless a test takes some out before they meet. */
  readonly neighbours: Set<string>
  add(
    name: string,
    transfer?: NodeOptions['transfer'],
    store?: { quotaBytes: number },
  ): Promise<Node>
  /** A peer that says it holds these, and answers as told. */
  addPeer(name: string, claims: readonly Blob[], answer: Answering): Promise<Node>
}

export function createWorld(clock: Clock = systemClock): World {
  const network = createMemoryNetwork({ clock })
  const directory = createMemoryDirectory()
  const neighbours = new Set<string>()

  async function add(
    name: string,
    options: NodeOptions['transfer'] = {},
    { quotaBytes } = { quotaBytes: 1e9 },
  ): Promise<Node> {
    const transferOptions = parseNodeOptions({ transfer: { chunkSize: CHUNK_SIZE, ...options } })
    const log = silentLogger
    const host = network.createHost(name)
    neighbours.add(name)
    const store = createMemoryStore({ clock, log }, { quotaBytes, chunkSize: CHUNK_SIZE })
    const real = createMemoryDiscovery(directory, name)
    const told: string[] = []
    const discovery: Discovery = {
      ...real,
      announce: (digest) => (told.push(`+${digest}`), real.announce(digest)),
      withdraw: (digest) => (told.push(`-${digest}`), real.withdraw(digest)),
    }
    const bans: string[] = []
    const scores = createPeerScores(clock, (peer) => bans.push(peer))
    const records = memoryRecords(store)
    const fleet = createFleet(
      { host, scores, clock, isNeighbour: ({ peer }) => neighbours.has(peer) },
      { fleet: true },
    )
    const deps = { host, store, records, discovery, scores, fleet, clock, log }
    const transfer = createTransfer(deps, transferOptions.transfer)
    await store.start()
    await host.start()
    await discovery.start()
    transfer.start()
    host.onEvent(({ type, peer }) => {
      if (type === 'disconnected') transfer.dropPeer(peer)
    })
    onTestFinished(async () => {
      await transfer.stop()
      await discovery.stop()
      await host.stop()
      await store.stop()
    })
    const put = async ({ digest, bytes }: Blob, visibility: Visibility = 'public') => {
      await store.put(digest, bytes, { visibility })
      if (visibility === 'public') real.announce(digest)
    }
    return { host, store, records, discovery, scores, fleet, transfer, bans, told, put }
  }
  async function addPeer(name: string, claims: readonly Blob[], answer: Answering): Promise<Node> {
    const node = await add(name)
    for (const { digest } of claims) node.discovery.announce(digest)
    node.host.handle(TRANSFER_PROTOCOL, answering(answer), { maxStreamsPerPeer: 8 })
    return node
  }

  return { network, neighbours, add, addPeer }
}

export interface TestOrigin extends Origin {
  opened: number
  aborted: boolean
}

export function originOf(
  { bytes }: Blob,
  options: { visibility?: Visibility; gate?: Promise<void>; sized?: boolean } = {},
): TestOrigin {
  const origin: TestOrigin = {
    visibility: options.visibility ?? 'public',
    opened: 0,
    aborted: false,
    async open({ signal }) {
      origin.opened++
      signal.addEventListener('abort', () => (origin.aborted = true))
      const piece = Math.min(50_000, Math.ceil(bytes.byteLength / 2))
      const body = (async function* () {
        for (let at = 0; at < bytes.byteLength; at += piece) {
          if (at > 0) await options.gate
          yield bytes.subarray(at, at + piece)
        }
      })()
      return options.sized === false ? { body } : { body, size: bytes.byteLength }
    },
  }
  return origin
}

export function brokenOrigin(error: Error): TestOrigin {
  return {
    visibility: 'public',
    opened: 0,
    aborted: false,
    open: async () => Promise.reject(error),
  }
}

export async function getBytes(
  node: Node,
  digest: Digest,
  options: Parameters<Transfer['get']>[1] = {},
): Promise<{ bytes: Buffer; source: string }> {
  const artifact = await node.transfer.get(digest, options)
  return { bytes: await readAll(artifact.body), source: artifact.source }
}

export const isDown: CatalogError = new CatalogError('UPSTREAM_UNREACHABLE', 'down')

/** Nobody is found beyond those known: a node without a DHT. */
export function searchNoFurther({ discovery }: Node): void {
  Object.assign(discovery, { search: async function* () {} })
}
