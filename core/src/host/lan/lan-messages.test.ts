import { encode } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLanSeal } from '../../swarm/lan-seal.ts'
import { createSwarmKey } from '../../swarm/swarm-key.ts'
import { decodeLanMessage, encodeLanAnswer, encodeLanQuery, LAN_SERVICE } from './lan-messages.ts'

const PEER = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const ADDRESSES = [
  `/ip4/192.168.1.7/udp/4875/quic-v1/p2p/${PEER}`,
  `/ip6/2001:db8::7/tcp/4875/p2p/${PEER}`,
]

describe('LAN messages', () => {
  it('carry a query', () => {
    expect(decodeLanMessage(encodeLanQuery())).toEqual({ type: 'query' })
  })

  it('carry the addresses of a peer', () => {
    expect(decodeLanMessage(encodeLanAnswer('abc', ADDRESSES))).toEqual({
      type: 'answer',
      peers: new Map([[PEER, ADDRESSES]]),
    })
  })

  it('fit into one datagram, first addresses first', () => {
    const many = Array.from(
      { length: 60 },
      (_, index) => `/ip6/2001:db8::${index + 1}/udp/4875/quic-v1/p2p/${PEER}`,
    )
    const packet = encodeLanAnswer('abc', many)
    expect(packet.byteLength).toBeLessThanOrEqual(1200)
    const message = decodeLanMessage(packet)
    if (message?.type !== 'answer') throw new Error('expected an answer')
    const told = message.peers.get(PEER) ?? []
    expect(told.length).toBeGreaterThan(3)
    expect(told).toEqual(many.slice(0, told.length))
  })

  it('of a private swarm say nothing to others, and carry nothing of them', () => {
    const [ours, others] = [createLanSeal(createSwarmKey()), createLanSeal(createSwarmKey())]
    const query = encodeLanQuery(ours)
    const answer = encodeLanAnswer('abc', ADDRESSES, ours)
    expect(decodeLanMessage(query, ours)).toEqual({ type: 'query' })
    expect(decodeLanMessage(answer, ours)).toEqual({
      type: 'answer',
      peers: new Map([[PEER, ADDRESSES]]),
    })
    for (const seal of [undefined, others]) {
      expect(decodeLanMessage(query, seal)).toBeUndefined()
      expect(decodeLanMessage(answer, seal)).toBeUndefined()
    }
    for (const said of [PEER, '192.168.1.7', '4875']) {
      expect(answer.toString('latin1')).not.toContain(said)
    }
    // With the right tag, but not sealed by a member.
    expect(decodeLanMessage(encodeLanQuery(), ours)).toBeUndefined()
    const forged = encodeLanAnswer('abc', ADDRESSES, { ...others, tag: ours.tag })
    expect(decodeLanMessage(forged, ours)).toBeUndefined()
  })

  it('of a private swarm fit into one datagram, too', () => {
    const many = Array.from(
      { length: 60 },
      (_, index) => `/ip6/2001:db8::${index + 1}/tcp/1/p2p/${PEER}`,
    )
    const seal = createLanSeal(createSwarmKey())
    const packet = encodeLanAnswer('abc', many, seal)
    expect(packet.byteLength).toBeLessThanOrEqual(1200)
    const message = decodeLanMessage(packet, seal)
    const told = message?.type === 'answer' ? (message.peers.get(PEER) ?? []) : []
    expect(told.length).toBeGreaterThan(3)
    expect(told).toEqual(many.slice(0, told.length))
  })

  it('leave other services alone', () => {
    const printer = encode({
      type: 'query',
      questions: [{ name: '_ipp._tcp.local', type: 'PTR', class: 'IN' }],
    })
    expect(decodeLanMessage(printer)).toBeUndefined()
    const other = encode({
      type: 'response',
      answers: [
        { name: 'x._other._udp.local', type: 'TXT', data: `dnsaddr=${ADDRESSES[0] ?? ''}` },
      ],
    })
    expect(decodeLanMessage(other)).toBeUndefined()
  })

  it('drop addresses that are none, and those without a peer', () => {
    const odd = encode({
      type: 'response',
      answers: [
        'dnsaddr=nonsense',
        'dnsaddr=/ip4/10.0.0.1/tcp/1',
        'x',
        `dnsaddr=${'/'.repeat(250)}`,
      ].map((data) => ({ name: `x.${LAN_SERVICE}`, type: 'TXT' as const, data })),
    })
    expect(decodeLanMessage(odd)).toBeUndefined()
  })

  it('never throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeLanMessage(bytes)
      }),
    )
    const valid = encodeLanAnswer('abc', ADDRESSES)
    fc.assert(
      fc.property(fc.nat(valid.byteLength - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(valid)
        changed[at] = value
        decodeLanMessage(changed)
      }),
    )
  })
})
