/**
 * Names in multiaddrs (/dns4, /dns6, /dns) as addresses, before they are gated, sorted and dialled: libp2p's QUIC takes addresses
 * only, and a name must not get past the gate. With libp2p's own resolver for /dnsaddr.
 */
import { lookup } from 'node:dns/promises'
import type { MultiaddrResolver } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { dnsaddrResolver } from 'libp2p'
import { orAborted } from './or-aborted.ts'

const LOOKUP_TIMEOUT_MS = 5_000
const MAX_RESULTS = 8
const FAMILIES: Readonly<Record<string, 0 | 4 | 6>> = { dns: 0, dns4: 4, dns6: 6 }

const hostResolver: MultiaddrResolver = {
  canResolve: (address) => (address.getComponents()[0]?.name ?? '') in FAMILIES,

  async resolve(address, options) {
    const [first] = address.getComponents()
    const family = FAMILIES[first?.name ?? '']
    if (first?.value === undefined || family === undefined) return []
    const timeout = AbortSignal.timeout(LOOKUP_TIMEOUT_MS)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    try {
      const found = await orAborted(lookup(first.value, { all: true, family }), signal)
      return found.slice(0, MAX_RESULTS).map((one) => withHost(address, one))
    } catch {
      // No such name, or no answer: one address less. What else the peer has is tried.
      options.signal?.throwIfAborted()
      return []
    }
  },
}

export const RESOLVERS: Record<string, MultiaddrResolver> = {
  dnsaddr: dnsaddrResolver,
  host: hostResolver,
}

function withHost(address: Multiaddr, host: { address: string; family: number }): Multiaddr {
  const [, , , ...rest] = address.toString().split('/')
  return multiaddr([`/ip${host.family}/${host.address}`, ...rest].join('/'))
}
