import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCatalogError } from '../errors.ts'
import type { PeerConnection } from '../host/host.ts'
import { encodeFrame } from './frames.ts'
import { shareablePeers, shuffled } from '../discovery/exchange/shareable-peers.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  MAX_ADDRESSES_PER_PEER,
  MAX_EXCHANGED_PEERS,
  MAX_PEERS_FRAME_BYTES,
  type PeerMessage,
} from './peer-messages.ts'

const peerId = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/)
const address = fc.stringMatching(/^\/[a-z0-9/:.]{1,200}$/)
const message: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({ type: fc.constant('ask' as const), max: fc.integer({ min: 0, max: 32 }) }),
  fc.record({
    type: fc.constant('peers' as const),
    peers: fc.array(
      fc.record({
        peer: peerId,
        addresses: fc.array(address, { maxLength: MAX_ADDRESSES_PER_PEER }),
      }),
      { maxLength: MAX_EXCHANGED_PEERS },
    ),
  }),
)

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (isCatalogError(error)) return error.code
    throw error
  }
  return 'none'
}

describe('peer messages', () => {
  it('arrive as they were sent', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodePeerMessage(encodePeerMessage(sent))).toEqual(sent)
      }),
    )
  })

  it('fit their frame when they are as long as can be', () => {
    const peers = Array.from({ length: MAX_EXCHANGED_PEERS }, () => ({
      peer: 'p'.repeat(128),
      addresses: Array.from({ length: MAX_ADDRESSES_PER_PEER }, () => `/${'a'.repeat(255)}`),
    }))
    const bytes = encodePeerMessage({ type: 'peers', peers })
    expect(bytes.byteLength).toBeLessThanOrEqual(MAX_PEERS_FRAME_BYTES)
    expect(decodePeerMessage(bytes)).toEqual({ type: 'peers', peers })
  })

  it('that are junk are misbehaviour', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (body) => {
        expect(['none', 'PEER_MISBEHAVED']).toContain(codeOf(() => decodePeerMessage(body)))
      }),
    )
  })

  const bodies: Record<string, Uint8Array> = {
    'an unknown type': Uint8Array.of(3, 0),
    'too many asked for': Uint8Array.of(1, 33),
    'too many peers': Uint8Array.of(2, 33),
    'fewer peers than promised': Uint8Array.of(2, 1),
    'something behind a question': Uint8Array.of(1, 1, 1),
    'something behind the peers': Uint8Array.of(2, 0, 0),
    'a peer id of nothing': Uint8Array.of(2, 1, 0, 0, 0),
    'a peer id with a slash': Uint8Array.of(2, 1, 0, 1, 0x2f, 0),
    'a peer id that is not UTF-8': Uint8Array.of(2, 1, 0, 1, 0xff, 0),
    'too many addresses': Uint8Array.of(2, 1, 0, 1, 0x61, 9),
    'an address that is too long': Uint8Array.of(2, 1, 0, 1, 0x61, 1, 1, 1),
  }
  for (const [name, body] of Object.entries(bodies)) {
    it(`with ${name} are misbehaviour`, () => {
      expect(codeOf(() => decodePeerMessage(body))).toBe('PEER_MISBEHAVED')
    })
  }

  it('have these bytes', () => {
    const hex = (message: PeerMessage): string =>
      Buffer.from(encodeFrame(encodePeerMessage(message))).toString('hex')
    expect(hex({ type: 'ask', max: 32 })).toBe('000000020120')
    expect(hex({ type: 'peers', peers: [{ peer: 'ab', addresses: ['/x', '/y'] }] })).toBe(
      '0000000f' + '0201' + '00026162' + '02' + '00022f78' + '00022f79',
    )
  })
})

describe('shareablePeers', () => {
  const over = (address: string): PeerConnection => ({
    peer: 'me',
    address,
    group: 'me',
    direction: 'inbound',
    transport: 'quic',
    connectedAtMs: 0,
  })
  const peers = [
    { peer: 'a', addresses: ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/1.2.3.4/tcp/1'] },
    { peer: 'b', addresses: ['/ip4/127.0.0.1/tcp/2'] },
    { peer: 'me', addresses: ['/ip4/1.2.3.4/tcp/3'] },
  ]

  it('tells loopback addresses only over loopback, private ones only within a private network', () => {
    expect(shareablePeers(over('/ip4/127.0.0.1/tcp/9'), peers).map(({ peer }) => peer)).toEqual([
      'a',
      'b',
    ])
    expect(shareablePeers(over('/ip4/192.168.0.9/tcp/9'), peers)).toEqual([
      { peer: 'a', addresses: ['/ip4/10.0.0.1/tcp/1', '/ip4/1.2.3.4/tcp/1'] },
    ])
    expect(shareablePeers(over('/ip4/5.6.7.8/tcp/9'), peers)).toEqual([
      { peer: 'a', addresses: ['/ip4/1.2.3.4/tcp/1'] },
    ])
  })

  it('keeps at most eight addresses, and none that lead to somebody else', () => {
    const many = Array.from({ length: 20 }, (_, i) => `/ip4/1.2.3.4/tcp/${i}/p2p/a`)
    const strange = '/ip4/1.2.3.4/tcp/1/p2p/b'
    expect(
      shareablePeers(over('/ip4/5.6.7.8/tcp/9'), [{ peer: 'a', addresses: [strange, ...many] }]),
    ).toEqual([{ peer: 'a', addresses: many.slice(0, 8) }])
  })
})

describe('shuffled', () => {
  it('keeps every item once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (items) => {
        expect(shuffled(items, Math.random).sort()).toEqual([...items].sort())
      }),
    )
  })
})
