import { peerRoutingSymbol, type PeerInfo, type PeerRouting } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../../../test/support/fake-clock.ts'
import { createAddressRule } from '../addresses/address-rule.ts'
import { withPacedWalks } from './paced-walks.ts'

const A = peerIdFromString('12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6')
const B = peerIdFromString('12D3KooWCu8JzQByN7EzzyAwDVq3uFyNEfbmteHdesKmacyRu6ao')
const PUBLIC = '/ip4/203.0.113.1/udp/4875/quic-v1'
const OFFICE = '/ip4/192.168.1.9/tcp/22'

const info = (id: typeof A, ...addresses: string[]): PeerInfo => ({
  id,
  multiaddrs: addresses.map((each) => multiaddr(each)),
})

/** The routing that libp2p is given, on the office's network and connected to somebody on the internet. */
function world(found: readonly PeerInfo[]) {
  const clock = createFakeClock()
  const rule = createAddressRule({
    networksOf: (ip) => new Set(ip.startsWith('192.168.1.') ? ['eth0'] : []),
  })
  const routing: PeerRouting = {
    findPeer: async () => found[0] ?? info(A),
    async *getClosestPeers() {
      yield* found
    },
  }
  const dht = withPacedWalks(
    { [peerRoutingSymbol]: routing },
    { clock, believed: (addresses) => rule.heardOver([multiaddr(PUBLIC)], addresses) },
  )
  return { clock, rule, routing: dht[peerRoutingSymbol] }
}

const addressesOf = ({ multiaddrs }: PeerInfo): string[] => multiaddrs.map(String)

describe('what libp2p learns from the DHT', () => {
  it('when it looks for a peer: what is believed of whoever said it', async () => {
    const { routing, rule } = world([info(A, PUBLIC, OFFICE)])
    expect(addressesOf(await routing.findPeer(A))).toEqual([PUBLIC])
    expect(rule.isDialable(multiaddr(OFFICE))).toBe(false)
  })

  it('when it walks: the same, and nobody of whom nothing is believed', async () => {
    const { routing, clock } = world([info(A, OFFICE, PUBLIC), info(B, OFFICE)])
    const found: PeerInfo[] = []
    const walk = (async () => {
      for await (const peer of routing.getClosestPeers(new Uint8Array(32))) found.push(peer)
    })()
    await clock.advance(1_000)
    expect(found).toEqual([])
    await clock.advance(3_000)
    await walk
    expect(found.map(addressesOf)).toEqual([[PUBLIC]])
  })
})
