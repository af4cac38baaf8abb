/** A node, and peers of it in memory that tell it what they hold and do nothing else: for what the node makes of their lists. */
import { randomBytes } from 'node:crypto'
import type { CatalogNode } from '../../core/src/api.ts'
import { NAME_PREFIXES_FROM, namePrefix } from '../../core/src/content/inventory-prefix.ts'
import { nameKeyFromBytes, type NameKey } from '../../core/src/content/name-key.ts'
import type { Host } from '../../core/src/host/host.ts'
import { createMemoryNetwork } from '../../core/src/host/memory-host.ts'
import { createNode } from '../../core/src/node.ts'
import { encodeSnapshot, INVENTORY_PROTOCOL } from '../../core/src/wire/inventory-messages.ts'

export interface ListingPeers extends AsyncDisposable {
  readonly node: CatalogNode
  /** One more peer, of an address of its own, that lists these keys, and made-up artifacts and names. Resolves when all is sent. */
  list(listed: {
    readonly artifacts: number
    readonly names: number
    readonly keys?: readonly NameKey[]
  }): Promise<void>
}

export async function listingPeers(): Promise<ListingPeers> {
  const network = createMemoryNetwork()
  const options = { network: { dht: false, peerExchange: false } }
  const node = await createNode(options, { host: network.createHost('node') })
  const hosts: Host[] = []
  return {
    node,
    async list({ artifacts, names, keys = [] }) {
      const host = network.createHost(`peer-${hosts.length}`)
      hosts.push(host)
      await host.start()
      const { signal } = new AbortController()
      await host.connect('/memory/node', { signal })
      const prefixes = [
        ...randomPrefixes(artifacts, 0),
        ...randomPrefixes(names, NAME_PREFIXES_FROM),
        ...keys.map(namePrefix),
      ]
      const stream = await host.open('node', INVENTORY_PROTOCOL, { signal })
      for (const frame of encodeSnapshot(Uint32Array.from(new Set(prefixes)).sort())) {
        await stream.write(frame)
      }
    },
    async [Symbol.asyncDispose]() {
      await node.close()
      await Promise.all(hosts.map((host) => host.stop()))
    },
  }
}

/** Keys of names that nobody else has. */
export function randomKeys(count: number): NameKey[] {
  return Array.from({ length: count }, () => nameKeyFromBytes(randomBytes(32)))
}

function randomPrefixes(count: number, from: number): Uint32Array {
  const bytes = Uint8Array.from(randomBytes(count * 4))
  const random = new Uint32Array(bytes.buffer)
  return random.map((each) => from + (each >>> 1))
}
