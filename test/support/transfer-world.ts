/**
 * Transfers over the in-memory network, each with a store and a discovery of its own, stopped when the test has finished; and
 * origins that do what the test says.
 */
import { onTestFinished } from 'vitest'
import type { Origin } from '../../core/src/api.ts'
import type { Carriers } from '../../core/src/carrier/carrier.ts'
import { systemClock, type Clock } from '../../core/src/timing/clock.ts'
import type { Digest } from '../../core/src/content/digest.ts'
import type { Visibility } from '../../core/src/content/visibility.ts'
import { createMemoryDirectory } from '../../core/src/discovery/memory-discovery.ts'
import { CatalogError } from '../../core/src/errors.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../core/src/host/memory-host.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import type { Transfer } from '../../core/src/transfer/transfer.ts'
import { TRANSFER_PROTOCOL } from '../../core/src/wire/transfer-messages.ts'
import { CHUNK_SIZE, type Blob } from './blobs.ts'
import { answering, type Answering } from './hostile-peer.ts'
import { readAll } from './read-all.ts'
import { startTransferNode, type Node } from './transfer-node.ts'

export type { Node }

export interface World {
  readonly network: MemoryNetwork
  /** Machines of one local network: all of them, unless a test takes some out before they meet. */
  readonly neighbours: Set<string>
  add(
    name: string,
    transfer?: NodeOptions['transfer'],
    store?: { quotaBytes: number },
    carriers?: Carriers,
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
    transfer: NodeOptions['transfer'] = {},
    store: { quotaBytes: number } = { quotaBytes: 1e9 },
    carriers?: Carriers,
  ): Promise<Node> {
    neighbours.add(name)
    const options = { transfer: { chunkSize: CHUNK_SIZE, ...transfer }, store, carriers }
    const node = await startTransferNode(name, { network, directory, neighbours, clock }, options)
    onTestFinished(() => node.stop())
    return node
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
