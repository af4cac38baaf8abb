/**
 * Provider records over libp2p's Kademlia DHT; values are in dht-values.ts. The key of an artifact is CIDv1(raw, sha2-256 of its 64 digest bytes): js-libp2p's DHT
 * servers drop records whose multihash is not sha2-256, and a key that is a hash of the digest does not tell a DHT server what
 * we hold. All of it is slow: at most a few walks run at once, the others wait for their turn.
 */
import { hash } from 'node:crypto'
import type { KadDHT } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { CatalogError } from '../../../errors.ts'
import type { Clock } from '../../../timing/clock.ts'
import { createSemaphore } from '../../../timing/semaphore.ts'
import { timeoutSignal } from '../../../timing/timeout-signal.ts'
import type { PeerId, Routing } from '../../host.ts'
import { DhtValues } from './dht-values.ts'

/** sha2-256 in the multihash table. */
const SHA2_256 = 0x12
const KEY_BYTES = 64
const MAX_PROVIDES = 4
const MAX_SEARCHES = 8
/** Nothing waits longer, whatever the caller's signal says. */
const PROVIDE_TIMEOUT_MS = 60_000
const SEARCH_TIMEOUT_MS = 30_000
const MAX_ADDRESSES = 16

export interface DhtRouting extends Routing {
  /** Before this DHT starts. */
  attach(dht: KadDHT): void
}

export function createDhtRouting(deps: {
  readonly clock: Clock
  readonly self: () => PeerId
  /** Undefined while the host is not running. */
  readonly dht: () => KadDHT | undefined
  /** The remote address of our connection with a peer. */
  readonly addressOf: (peer: PeerId) => string | undefined
}): DhtRouting {
  const provides = createSemaphore(MAX_PROVIDES)
  const searches = createSemaphore(MAX_SEARCHES)

  const withTimeout = (signal: AbortSignal, timeoutMs: number): AbortSignal =>
    AbortSignal.any([signal, timeoutSignal(deps.clock, timeoutMs)])

  function running(): KadDHT {
    const dht = deps.dht()
    if (dht === undefined) throw new CatalogError('NODE_STOPPED', 'the host is not running')
    return dht
  }

  const values = new DhtValues({ clock: deps.clock, dht: running })

  async function publish(cid: CID, signal: AbortSignal): Promise<void> {
    let taken = 0
    for await (const event of running().provide(cid, { signal })) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') taken += 1
    }
    signal.throwIfAborted()
    if (taken === 0) {
      throw new CatalogError('PEER_UNREACHABLE', 'no DHT server took the provider record')
    }
  }

  return {
    attach: (dht) => values.attach(dht),
    acceptValues: (kind) => values.acceptValues(kind),
    putValue: (key, value, options) => values.putValue(key, value, options),
    findValue: (key, options) => values.findValue(key, options),

    async provide(key, { signal }) {
      const cid = toCid(key)
      signal.throwIfAborted()
      running()
      await provides.acquire(signal)
      try {
        await publish(cid, withTimeout(signal, PROVIDE_TIMEOUT_MS))
      } finally {
        provides.release()
      }
    },

    async withdraw(key) {
      await running().cancelReprovide(toCid(key))
    },

    async *findProviders(key, { signal }) {
      const cid = toCid(key)
      signal.throwIfAborted()
      const dht = running()
      await searches.acquire(signal)
      const bounded = withTimeout(signal, SEARCH_TIMEOUT_MS)
      try {
        for await (const event of dht.findProviders(cid, { signal: bounded })) {
          if (event.name !== 'PROVIDER') continue
          const source = deps.addressOf(event.from.toString()) ?? ''
          for (const { id, multiaddrs } of event.providers) {
            const peer = id.toString()
            if (peer === deps.self()) continue
            yield { peer, addresses: multiaddrs.slice(0, MAX_ADDRESSES).map(String), source }
          }
        }
      } catch (error) {
        signal.throwIfAborted()
        // Out of time is an end like any other: what was found was found.
        if (!bounded.aborted) throw error
      } finally {
        searches.release()
      }
    },
  }
}

function toCid(key: Uint8Array): CID {
  if (key.byteLength !== KEY_BYTES) {
    throw new CatalogError('INVALID_DIGEST', `a routing key has 64 bytes, got ${key.byteLength}`)
  }
  return CID.createV1(raw.code, createMultihash(SHA2_256, hash('sha256', key, 'buffer')))
}
