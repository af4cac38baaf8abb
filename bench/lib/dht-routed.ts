/** A made-up network (dht-network.ts) whose nodes have our routing, and know each other as nodes of a Kademlia network do. */
import { createHash } from 'node:crypto'
import { createDhtRouting, type DhtRouting } from '../../core/src/host/libp2p/dht/dht-routing.ts'
import { headValueKind } from '../../core/src/publications/head-pointer.ts'
import { createDhtNetwork, type DhtNetwork, type DhtNode, type RoundTrips } from './dht-network.ts'
import { createVirtualTime, type VirtualTime } from './virtual-time.ts'

/** What a node knows of each half, quarter, eighth … of the others; and so many of the nearest. */
const PER_BUCKET = 20
/** Connections that a node which has just come has made. */
const FIRST_PEERS = 20
const LATER_MS = 60_000

export interface RoutedNode {
  readonly node: DhtNode
  readonly routing: DhtRouting
}

export interface RoutedNetwork extends AsyncDisposable {
  readonly time: VirtualTime
  /** Some node: publishers are one half of them, readers the other. */
  pick(half: 'publisher' | 'reader'): RoutedNode
  /** A node that has just come, and answers no queries. */
  join(): Promise<RoutedNode>
  /** This share of the nodes does not answer any more, and nobody knows. */
  lose(share: number): void
  /** Nobody is connected with anybody. */
  disconnect(): void
}

export async function createRoutedNetwork(size: number, trips: RoundTrips): Promise<RoutedNetwork> {
  const time = createVirtualTime()
  const network = createDhtNetwork(time, trips)
  const nodes: RoutedNode[] = []
  for (let index = 0; index < size; index += 1) nodes.push(await addNode(network, time, true))
  const places = nodes.map(({ node }) => ({ node, kadId: kadIdOf(node) }))
  for (const place of places) {
    for (const other of neighboursOf(place, places)) place.node.meet(other.id)
  }
  await time.run(time.wait(LATER_MS))
  const half = Math.floor(size / 2)
  return {
    time,
    pick: (which) => oneOf(which === 'publisher' ? nodes.slice(0, half) : nodes.slice(half)),
    async join() {
      const joined = await addNode(network, time, false)
      for (const { node } of someOf(nodes, FIRST_PEERS)) joined.node.meet(node.id)
      await time.run(time.wait(LATER_MS))
      return joined
    },
    lose(share) {
      for (const { node } of nodes.slice(0, half).slice(0, Math.round(share * size))) node.vanish()
    },
    disconnect: () => nodes.forEach(({ node }) => node.disconnect()),
    async [Symbol.asyncDispose]() {
      for (const { node } of nodes) await node.stop()
      time[Symbol.dispose]()
    },
  }
}

async function addNode(
  network: DhtNetwork,
  time: VirtualTime,
  isServer: boolean,
): Promise<RoutedNode> {
  let service: DhtNode['dht'] | undefined
  const routing = createDhtRouting({
    clock: time.clock,
    self: () => node.id.toString(),
    dht: () => service,
    addressOf: () => undefined,
  })
  routing.acceptValues(headValueKind({ newest: () => 0 }))
  const attach = (made: DhtNode['dht']): void => {
    service = made
    routing.attach(made)
  }
  const node = await network.add({ isServer, attach })
  return { node, routing }
}

interface Place {
  readonly node: DhtNode
  readonly kadId: Buffer
}

function neighboursOf(self: Place, places: readonly Place[]): DhtNode[] {
  const others = places
    .filter(({ node }) => node !== self.node)
    .map(({ node, kadId }) => ({ node, distance: xor(self.kadId, kadId) }))
    .sort((a, b) => Buffer.compare(a.distance, b.distance))
  const buckets = Map.groupBy(others, ({ distance }) => zeroBits(distance))
  const far = [...buckets.values()].flatMap((bucket) => someOf(bucket, PER_BUCKET))
  return [...new Set([...others.slice(0, PER_BUCKET), ...far].map(({ node }) => node))]
}

/** Where kad-dht has it: the hash of its id. */
function kadIdOf({ id }: DhtNode): Buffer {
  return createHash('sha256').update(id.toMultihash().bytes).digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)))
}

function zeroBits(bytes: Buffer): number {
  const index = bytes.findIndex((byte) => byte !== 0)
  return index * 8 + Math.clz32(bytes[index] ?? 0) - 24
}

function someOf<T>(items: readonly T[], count: number): T[] {
  const shuffled = items.map((item) => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at)
  return shuffled.slice(0, count).map(({ item }) => item)
}

function oneOf<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}
