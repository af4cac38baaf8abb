import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createAddressRule, type AddressRule } from './address-rule.ts'

const RELAY = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const PEER = '12D3KooWCu8JzQByN7EzzyAwDVq3uFyNEfbmteHdesKmacyRu6ao'

/** On the office's network and on another one. */
const NETWORKS: Readonly<Record<string, string>> = {
  '192.168.1.': 'eth0',
  'fd00:1:': 'eth0',
  '10.99.0.': 'tun0',
  '127.': 'loopback',
}
function networksOf(ip: string): ReadonlySet<string> {
  const found = Object.keys(NETWORKS).filter((start) => ip.startsWith(start))
  return new Set(found.flatMap((start) => NETWORKS[start] ?? []))
}

const PUBLIC = '/ip4/203.0.113.1/udp/4875/quic-v1'
const OFFICE = '/ip4/192.168.1.9/tcp/4875'
const OFFICE_V6 = '/ip6/fd00:1::9/tcp/4875'
const TUNNEL = '/ip4/10.99.0.1/tcp/8080'
const LOOPBACK = '/ip4/127.0.0.1/tcp/6379'
const OUTSIDE = '/ip6/2001:db8::1/udp/4875/quic-v1'
const relayed = (relay: string): string => `${relay}/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`

/** Whatever is said, nobody believes it. */
const NEVER = [
  '/ip4/172.16.0.1/tcp/1',
  '/ip6/fd00:2::1/tcp/1',
  '/ip6/fe80::1/tcp/1',
  '/ip4/169.254.169.254/tcp/80',
  '/ip6/::ffff:127.0.0.1/tcp/6379',
  '/ip6/::ffff:203.0.113.1/tcp/6379',
  '/ip6/64:ff9b::a63:1/tcp/8080',
  '/ip6/2002:a63:1::1/tcp/8080',
  '/ip6/::10.99.0.1/tcp/8080',
  '/ip4/0.0.0.0/tcp/6379',
  '/ip6/::/tcp/6379',
  '/ip4/224.0.0.251/udp/5353/quic-v1',
  '/ip6/ff02::fb/udp/5353/quic-v1',
  '/ip4/255.255.255.255/udp/1/quic-v1',
  '/dns4/localhost/tcp/6379',
  '/dns/router.lan/tcp/80',
  '/dnsaddr/example.org',
  '/ip6zone/eth0/ip6/fe80::1/tcp/1',
  '/unix/run%2Fsecret.sock',
  `/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`,
  relayed('/ip4/172.16.0.1/tcp/1'),
  relayed('/dns4/localhost/tcp/6379'),
]
const ALL = [PUBLIC, OUTSIDE, OFFICE, OFFICE_V6, TUNNEL, LOOPBACK, ...NEVER]

const parse = (texts: readonly string[]) => texts.map((text) => multiaddr(text))

function heard(connections: readonly string[], texts: readonly string[] = ALL): string[] {
  return createAddressRule({ networksOf }).heardOver(parse(connections), parse(texts)).map(String)
}

const create = (): AddressRule => createAddressRule({ networksOf })

describe('what is believed', () => {
  it('from the internet: public addresses', () => {
    expect(heard([PUBLIC])).toEqual([PUBLIC, OUTSIDE])
    expect(heard([])).toEqual([PUBLIC, OUTSIDE])
  })

  it('from a neighbour: also those of the network it shares with us', () => {
    expect(heard(['/ip4/192.168.1.7/udp/4875/quic-v1'])).toEqual([
      PUBLIC,
      OUTSIDE,
      OFFICE,
      OFFICE_V6,
    ])
    expect(heard(['/ip6/fd00:1::7/udp/4875/quic-v1'])).toEqual([PUBLIC, OUTSIDE, OFFICE, OFFICE_V6])
    expect(heard(['/ip4/10.99.0.7/udp/4875/quic-v1'])).toEqual([PUBLIC, OUTSIDE, TUNNEL])
  })

  it('from a private network that we are not on: public addresses', () => {
    expect(heard(['/ip4/172.16.0.7/tcp/1'])).toEqual([PUBLIC, OUTSIDE])
  })

  it('on this machine: loopback, where that is a network of ours', () => {
    expect(heard(['/ip4/127.0.0.1/udp/1/quic-v1'])).toEqual([PUBLIC, OUTSIDE, LOOPBACK])
  })

  it('through a relay: public addresses, wherever the relay is', () => {
    expect(heard([relayed('/ip4/192.168.1.7/tcp/1')])).toEqual([PUBLIC, OUTSIDE])
  })

  it('from one of several, who knows which: what each of them may say', () => {
    expect(heard(['/ip4/192.168.1.7/tcp/1', '/ip4/192.168.1.8/tcp/1'])).toContain(OFFICE)
    expect(heard(['/ip4/192.168.1.7/tcp/1', PUBLIC])).toEqual([PUBLIC, OUTSIDE])
  })

  it('of a relayed address: what is believed of its relay', () => {
    const texts = [relayed(PUBLIC), relayed(OFFICE), relayed(LOOPBACK), relayed(TUNNEL)]
    expect(heard([PUBLIC], texts)).toEqual([relayed(PUBLIC)])
    expect(heard(['/ip4/192.168.1.7/tcp/1'], texts)).toEqual([relayed(PUBLIC), relayed(OFFICE)])
  })
})

describe('what is dialled', () => {
  it('is what was believed, for whom it was said to be or not', () => {
    const rule = create()
    const dialable = (): string[] => ALL.filter((text) => rule.isDialable(multiaddr(text)))
    expect(dialable()).toEqual([PUBLIC, OUTSIDE])
    rule.heardOver([multiaddr(PUBLIC)], parse(ALL))
    expect(dialable()).toEqual([PUBLIC, OUTSIDE])
    rule.heardFrom('192.168.1.7', parse(ALL))
    expect(dialable()).toEqual([PUBLIC, OUTSIDE, OFFICE, OFFICE_V6])
    expect(rule.isDialable(multiaddr(`${OFFICE}/p2p/${PEER}`))).toBe(true)
    expect(rule.isDialable(multiaddr('/ip4/192.168.1.9/tcp/22'))).toBe(false)
  })

  it('is no longer what was believed on a network that we have left', () => {
    let isHome = true
    const rule = createAddressRule({ networksOf: (ip) => (isHome ? networksOf(ip) : new Set()) })
    rule.heardFrom('192.168.1.7', parse([OFFICE]))
    isHome = false
    expect(rule.isDialable(multiaddr(OFFICE))).toBe(false)
  })

  it.each([LOOPBACK, TUNNEL, '/dns4/localhost/tcp/4875', relayed(LOOPBACK)])(
    'is what the user has configured: %s, and nothing beside it',
    (text) => {
      const rule = create()
      rule.configure(multiaddr(text))
      expect(rule.isDialable(multiaddr(text))).toBe(true)
      expect(rule.isConfigured(multiaddr(text))).toBe(true)
      const others = [LOOPBACK, TUNNEL, ...NEVER].filter((other) => !sameHost(other, text))
      expect(others.filter((other) => rule.isDialable(multiaddr(other)))).toEqual([])
    },
  )

  it.each(['dns', 'dns4', 'dns6'])('is of a configured %s name that one port alone', (kind) => {
    const rule = create()
    rule.configure(multiaddr(`/${kind}/node.example/udp/4875/quic-v1`))
    expect(rule.isDialable(multiaddr(`/${kind}/node.example/udp/4875/quic-v1/p2p/${PEER}`))).toBe(
      true,
    )
    const others = ['tcp/22', 'tcp/4875', 'udp/53/quic-v1'].map((rest) =>
      multiaddr(`/${kind}/node.example/${rest}`),
    )
    expect(others.filter((other) => rule.isDialable(other))).toEqual([])
  })

  it('is all that a configured dnsaddr leads to', () => {
    const rule = create()
    rule.configure(multiaddr('/dnsaddr/node.example'))
    expect(rule.isConfigured(multiaddr(`/dnsaddr/node.example/p2p/${PEER}`))).toBe(true)
    expect(rule.isDialable(multiaddr('/dns4/node.example/tcp/22'))).toBe(false)
  })
})

const sameHost = (a: string, b: string): boolean => a.split('/')[2] === b.split('/')[2]
