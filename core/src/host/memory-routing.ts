/**
 * Provider records shared by all hosts of one in-memory network: what the DHT is to libp2p hosts, without its delays.
 */
import { CatalogError } from '../errors.ts'
import type { PeerId, Routing } from './host.ts'

export interface ProviderTable {
  /** Hex of the key to the peers that provide it. */
  readonly providers: Map<string, Set<PeerId>>
}

export function createMemoryRouting(deps: {
  readonly table: ProviderTable
  readonly self: PeerId
  readonly addressesOf: (peer: PeerId) => readonly string[]
  readonly isRunning: () => boolean
}): Routing {
  const { table, self } = deps
  const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('hex')
  const throwIfStopped = (): void => {
    if (!deps.isRunning()) throw new CatalogError('NODE_STOPPED', 'the host is not running')
  }

  return {
    async provide(key, { signal }) {
      signal.throwIfAborted()
      throwIfStopped()
      const providers = table.providers.get(nameOf(key)) ?? new Set()
      providers.add(self)
      table.providers.set(nameOf(key), providers)
    },

    async withdraw(key) {
      const providers = table.providers.get(nameOf(key))
      providers?.delete(self)
      if (providers?.size === 0) table.providers.delete(nameOf(key))
    },

    async *findProviders(key, { signal }) {
      throwIfStopped()
      for (const peer of [...(table.providers.get(nameOf(key)) ?? [])]) {
        await Promise.resolve()
        signal.throwIfAborted()
        const addresses = deps.addressesOf(peer)
        yield { peer, addresses, source: addresses[0] ?? '' }
      }
    },
  }
}
