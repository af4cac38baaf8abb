import { describe, expect, it } from 'vitest'
import { addressScope, connectionScope, exchangeable } from './address-scope.ts'

describe('addressScope', () => {
  const cases: [string, ReturnType<typeof addressScope>][] = [
    ['/ip4/127.0.0.1/udp/4875/quic-v1', 'loopback'],
    ['/ip4/127.9.9.9/tcp/1', 'loopback'],
    ['/ip6/::1/udp/4875/quic-v1', 'loopback'],
    ['/ip6/0:0:0:0:0:0:0:1/tcp/1', 'loopback'],
    ['/ip6/::ffff:127.0.0.1/tcp/1', undefined],
    ['/ip6/::ffff:7f00:1/tcp/1', undefined],
    ['/ip4/10.1.2.3/tcp/1/p2p/QmPeer', 'private'],
    ['/ip4/172.31.0.1/tcp/1', 'private'],
    ['/ip4/172.32.0.1/tcp/1', 'public'],
    ['/ip4/192.168.1.5/tcp/1', 'private'],
    ['/ip4/169.254.169.254/tcp/80', undefined],
    ['/ip6/fd00::1/tcp/1', 'private'],
    ['/ip6/::ffff:192.168.0.1/tcp/1', undefined],
    ['/ip6/::ffff:203.0.113.7/tcp/1', undefined],
    ['/ip6/::10.0.0.1/tcp/1', undefined],
    ['/ip6/64:ff9b::a00:1/tcp/1', undefined],
    ['/ip6/64:ff9b:1::a00:1/tcp/1', undefined],
    ['/ip6/2002:a00:1::1/tcp/1', undefined],
    ['/ip6/2001:0:4136:e378:8000:63bf:3fff:fdd2/tcp/1', undefined],
    ['/ip6/fec0::1/tcp/1', 'private'],
    ['/ip6/100::1/tcp/1', undefined],
    ['/ip4/100.64.0.1/tcp/1', 'private'],
    ['/ip4/198.18.0.1/tcp/1', 'private'],
    ['/ip4/192.0.0.8/tcp/1', undefined],
    ['/ip4/240.0.0.1/tcp/1', undefined],
    ['/p2p/QmRelay/p2p-circuit/p2p/QmPeer', undefined],
    ['/dnsaddr/example.org', undefined],
    ['/ip4/203.0.113.7/udp/4875/quic-v1', 'public'],
    ['/ip6/2001:db8::1/udp/4875/quic-v1', 'public'],
    ['/ip4/203.0.113.7/udp/1/quic-v1/p2p/QmRelay/p2p-circuit/p2p/QmPeer', 'public'],
    ['/memory/peer-1', 'public'],
    ['/ip4/0.0.0.0/tcp/1', undefined],
    ['/ip6/::/tcp/1', undefined],
    ['/ip4/224.0.0.251/udp/5353', undefined],
    ['/ip4/255.255.255.255/udp/1', undefined],
    ['/ip6/fe80::1/tcp/1', undefined],
    ['/ip6/ff02::1/tcp/1', undefined],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', undefined],
    ['/ip4/1.2.3/tcp/1', undefined],
    ['/ip4/::1/tcp/1', undefined],
    ['/ip6/1.2.3.4/tcp/1', undefined],
    ['/dns4/localhost/tcp/1', undefined],
    ['/dns/example.org/tcp/1', undefined],
    ['/unix/run/secret.sock', undefined],
    ['ip4/1.2.3.4/tcp/1', undefined],
    ['/ip4/1.2.3.4/tcp/1 ', undefined],
    ['/ip4/1.2.3.4/tcp/1\n', undefined],
    ['', undefined],
    [`/ip4/1.2.3.4/${'x'.repeat(260)}`, undefined],
  ]
  for (const [address, scope] of cases) {
    it(`${JSON.stringify(address.slice(0, 60))} is ${scope ?? 'not exchanged'}`, () => {
      expect(addressScope(address)).toBe(scope)
    })
  }
})

describe('exchangeable', () => {
  const all = [
    '/ip4/127.0.0.1/tcp/1',
    '/ip4/10.0.0.1/tcp/1',
    '/ip4/203.0.113.7/tcp/1',
    '/dns4/a.example/tcp/1',
  ]

  it('keeps addresses inside the network they are of', () => {
    expect(exchangeable(all, 'loopback')).toEqual(all.slice(0, 3))
    expect(exchangeable(all, 'private')).toEqual(all.slice(1, 3))
    expect(exchangeable(all, 'public')).toEqual(all.slice(2, 3))
  })

  it('takes nobody behind a relay, or behind a name, for a neighbour', () => {
    expect(connectionScope('/ip4/127.0.0.1/tcp/1/p2p/QmRelay/p2p-circuit/p2p/QmPeer')).toBe(
      'public',
    )
    expect(connectionScope('/dns4/localhost/tcp/1')).toBe('public')
    expect(connectionScope('/ip4/127.0.0.1/tcp/1')).toBe('loopback')
    expect(connectionScope('/ip4/192.168.0.2/tcp/1')).toBe('private')
  })
})
