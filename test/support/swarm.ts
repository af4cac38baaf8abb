/**
 * Nodes connected to each other, in two words: `const { a, b } = await swarm(2)`. Real nodes over the in-memory network
 * with memory stores, unless told otherwise; closed by `await using` or `close`.
 */
import type { CatalogNode } from '../../core/src/api.ts'
import type { Digest } from '../../core/src/content/digest.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import type { Logger } from '../../core/src/log.ts'
import { createNode, type NodeDependencies } from '../../core/src/node.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import { until } from './until.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const
type Name = (typeof NAMES)[number]

export interface Swarm extends AsyncDisposable, Readonly<Record<Name, CatalogNode>> {
  readonly network: MemoryNetwork
  readonly nodes: readonly CatalogNode[]
  /** Waits until `node` has heard that `count` peers hold the artifact. */
  knows(node: CatalogNode, count?: number): Promise<void>
  close(): Promise<void>
}

export interface SwarmOptions {
  readonly options?: NodeOptions
  /** For single nodes, by position, on top of `options.transfer`. */
  readonly transfer?: readonly (NodeOptions['transfer'] | undefined)[]
  readonly deps?: (index: number) => NodeDependencies
  readonly log?: Logger
}

/** @param count nodes, all connected to each other; named a, b, c, ... in this order */
export async function swarm(count: number, how: SwarmOptions = {}): Promise<Swarm> {
  const network = createMemoryNetwork()
  const nodes: CatalogNode[] = []
  for (const [index, name] of NAMES.slice(0, count).entries()) {
    const options: NodeOptions = {
      ...how.options,
      transfer: { ...how.options?.transfer, ...how.transfer?.[index] },
      network: { dht: false, peerExchange: false, ...how.options?.network },
    }
    const deps = { ...(how.log && { log: how.log }), ...how.deps?.(index) }
    nodes.push(await createNode(options, { host: network.createHost(name), ...deps }))
  }
  for (const [index, node] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) await node.connect(`/memory/${other.id}`)
  }
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map(async (node) => node.close()))
  }
  const named = Object.fromEntries(nodes.map((node) => [node.id, node])) as Record<
    Name,
    CatalogNode
  >
  return {
    ...named,
    network,
    nodes,
    async knows(node, count = 1) {
      await until(() => node.peers().filter((peer) => peer.artifacts > 0).length >= count)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Puts bytes into a node and waits until every other one has heard of it. */
export async function putEverywhereKnown(
  world: Swarm,
  node: CatalogNode,
  bytes: Uint8Array,
): Promise<Digest> {
  const before = new Map(world.nodes.map((other) => [other, artifactsOf(other, node)]))
  const digest = await node.put(bytes)
  for (const other of world.nodes) {
    if (other === node) continue
    await until(() => artifactsOf(other, node) > (before.get(other) ?? 0))
  }
  return digest
}

function artifactsOf(node: CatalogNode, holder: CatalogNode): number {
  return node.peers().find(({ peer }) => peer === holder.id)?.artifacts ?? 0
}
