/**
 * Names in multiaddrs (/dns4, /dns6, /dns) as addresses, before they are gated, sorted and dialled: libp2p's QUIC takes addresses
 * only, and a name must not get past the gate. With libp2p's own resolver for /dnsaddr. Only the user's names are looked up,
 * and where they lead is where the user wants to go; the name that a peer tells us could lead anywhere.
 */
import { lookup } from 'node:dns/promises'
import type { MultiaddrResolver } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { dnsaddrResolver } from 'libp2p'
import type { Clock } from '../../../timing/clock.ts'
import { raceSignal } from '../../../timing/race-signal.ts'
import { timeoutSignal } from '../../../timing/timeout-signal.ts'

const LOOKUP_TIMEOUT_MS = 5_000
const MAX_RESULTS = 8
const FAMILIES: Readonly<Record<string, 0 | 4 | 6>> = { dns: 0, dns4: 4, dns6: 6 }

/** What the user has configured, and what that stands for. */
interface Configured {
  isConfigured(address: Multiaddr): boolean
  configure(address: Multiaddr): void
}

export function createResolvers(
  configured: Configured,
  clock: Clock,
): Record<string, MultiaddrResolver> {
  return {
    dnsaddr: forConfigured(dnsaddrResolver, configured),
    host: forConfigured(createHostResolver(clock), configured),
  }
}

function forConfigured(resolver: MultiaddrResolver, configured: Configured): MultiaddrResolver {
  return {
    canResolve: (address) => resolver.canResolve(address),
    async resolve(address, options) {
      if (!configured.isConfigured(address)) return []
      const found = await resolver.resolve(address, options)
      for (const one of found) configured.configure(one)
      return found
    },
  }
}

function createHostResolver(clock: Clock): MultiaddrResolver {
  return {
    canResolve: (address) => (address.getComponents()[0]?.name ?? '') in FAMILIES,

    async resolve(address, options) {
      const [first] = address.getComponents()
      const family = FAMILIES[first?.name ?? '']
      if (first?.value === undefined || family === undefined) return []
      const timeout = timeoutSignal(clock, LOOKUP_TIMEOUT_MS)
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
      try {
        const found = await raceSignal(lookup(first.value, { all: true, family }), signal)
        return found.slice(0, MAX_RESULTS).map((one) => withHost(address, one))
      } catch {
        // No such name, or no answer: one address less. What else the peer has is tried.
        options.signal?.throwIfAborted()
        return []
      }
    },
  }
}

function withHost(address: Multiaddr, host: { address: string; family: number }): Multiaddr {
  const [, , , ...rest] = address.toString().split('/')
  return multiaddr([`/ip${host.family}/${host.address}`, ...rest].join('/'))
}
