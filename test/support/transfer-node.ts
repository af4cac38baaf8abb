/** One machine of an in-memory network, with transfers, a fleet, a store and a discovery of its own. Whoever starts it stops it. */
import type { Carriers } from '../../core/src/carrier/carrier.ts'
import {
  createMemoryDiscovery,
  type MemoryDirectory,
} from '../../core/src/discovery/memory-discovery.ts'
import type { Discovery } from '../../core/src/discovery/discovery.ts'
import { createFleet, type Fleet } from '../../core/src/fleet/fleet.ts'
import type { Host } from '../../core/src/host/host.ts'
import type { MemoryNetwork } from '../../core/src/host/memory-host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import { createMemoryStore } from '../../core/src/store/memory-store.ts'
import type { Clock } from '../../core/src/timing/clock.ts'
import type { Visibility } from '../../core/src/content/visibility.ts'
import type { Records } from '../../core/src/records/records.ts'
import type { Store } from '../../core/src/store/store.ts'
import { createPeerScores, type PeerScores } from '../../core/src/transfer/peer-score.ts'
import { createTransfer, type Transfer } from '../../core/src/transfer/transfer.ts'
import type { Blob } from './blobs.ts'
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

export interface StartedTransferNode extends Node {
  stop(): Promise<void>
}

/** What the machines share. */
export interface SharedWorld {
  readonly network: MemoryNetwork
  readonly directory: MemoryDirectory
  /** Machines of one local network. */
  readonly neighbours: ReadonlySet<string>
  readonly clock: Clock
}

export async function startTransferNode(
  name: string,
  { network, directory, neighbours, clock }: SharedWorld,
  options: {
    transfer: NodeOptions['transfer']
    store: { quotaBytes: number }
    carriers?: Carriers | undefined
  },
): Promise<StartedTransferNode> {
  const transferOptions = parseNodeOptions({ transfer: options.transfer }).transfer
  const { chunkSize } = transferOptions
  const log = silentLogger
  const host = network.createHost(name)
  const store = createMemoryStore({ clock, log }, { ...options.store, chunkSize })
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
    {
      ...{ host, scores, clock, isNeighbour: ({ peer }) => neighbours.has(peer) },
      isCertified: () => false,
    },
    transferOptions,
  )
  const { carriers } = options
  const deps = { host, store, records, discovery, scores, fleet, carriers, clock, log }
  const transfer = createTransfer(deps, transferOptions)
  await store.start()
  await host.start()
  await discovery.start()
  transfer.start()
  host.onEvent(({ type, peer }) => {
    if (type === 'disconnected') transfer.dropPeer(peer)
  })
  const put = async ({ digest, bytes }: Blob, visibility: Visibility = 'public') => {
    await store.put(digest, bytes, { visibility })
    if (visibility === 'public') real.announce(digest)
  }
  async function stop(): Promise<void> {
    await transfer.stop()
    await discovery.stop()
    await host.stop()
    await store.stop()
  }
  return { host, store, records, discovery, scores, fleet, transfer, bans, told, put, stop }
}
