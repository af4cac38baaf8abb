/**
 * Provider records and values shared by all hosts of one in-memory network: what the DHT is to libp2p hosts, without its delays.
 */
import { CatalogError } from '../errors.ts'
import type { Clock } from '../timing/clock.ts'
import { VALUE_LIFETIME_MS, type PeerId, type Routing } from './host.ts'
import { ValueKinds } from './value-kinds.ts'

export interface ProviderTable {
  /** Hex of the key to the peers that provide it. */
  readonly providers: Map<string, Set<PeerId>>
  /** By key: what each peer has put last, and when. A server of its own keeps it. */
  readonly values: Map<string, Map<PeerId, PutValue>>
}

export interface PutValue {
  readonly value: Uint8Array
  /** By the network's clock. */
  readonly atMs: number
}

export function createMemoryRouting(deps: {
  readonly table: ProviderTable
  readonly self: PeerId
  readonly clock: Clock
  readonly addressesOf: (peer: PeerId) => readonly string[]
  readonly isRunning: () => boolean
}): Routing {
  const { table, self, clock } = deps
  const kinds = new ValueKinds()
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

    acceptValues: (kind) => kinds.add(kind),

    async putValue(key, value, { signal }) {
      signal.throwIfAborted()
      throwIfStopped()
      await kinds.check(key, value)
      const values = table.values.get(key) ?? new Map<PeerId, PutValue>()
      const put = { value: Uint8Array.from(value), atMs: clock.now() }
      table.values.set(key, values.set(self, put))
    },

    async *findValue(key, { signal }) {
      signal.throwIfAborted()
      throwIfStopped()
      const answers = kinds.collect(key)
      for (const { value, atMs } of table.values.get(key)?.values() ?? []) {
        const heldMs = clock.now() - atMs
        if (heldMs <= VALUE_LIFETIME_MS) await answers.add({ value, heldMs })
      }
      const found = answers.best()
      if (found !== undefined) yield found
    },
  }
}
