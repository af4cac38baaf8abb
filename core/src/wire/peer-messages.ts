/**
 * The messages of `/catalog/peers/1.0.0` as bytes, and back, within their bounds. Pure. docs/protocol.md, section Peer exchange
 */
import { CatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { MAX_ADDRESS_BYTES } from '../host/address-scope.ts'

export const PEER_EXCHANGE_PROTOCOL = '/catalog/peers/1.0.0'
export const MAX_EXCHANGED_PEERS = 32
export const MAX_ADDRESSES_PER_PEER = 8
const MAX_PEER_ID_BYTES = 128
/** 32 peers with 8 of the longest addresses each fit. */
export const MAX_PEERS_FRAME_BYTES = 72 * 1024

// Base58 and base32 spell peer ids with these; so do the names of in-memory hosts.
const PEER_ID = /^[A-Za-z0-9._-]+$/
const TYPES = { ask: 1, peers: 2 } as const

export interface KnownPeer {
  readonly peer: PeerId
  readonly addresses: readonly string[]
}

export type PeerMessage =
  /** Asks for at most `max` peers; answered by one `peers` on the same stream. */
  | { readonly type: 'ask'; readonly max: number }
  /** The answer, or unasked for: news. */
  | { readonly type: 'peers'; readonly peers: readonly KnownPeer[] }

/** The body of a frame. */
export function encodePeerMessage(message: PeerMessage): Uint8Array {
  const writer = new FieldWriter().u8(TYPES[message.type])
  if (message.type === 'ask') return writer.u8(message.max).toBytes()
  writer.u8(message.peers.length)
  for (const { peer, addresses } of message.peers) {
    writer.text(peer).u8(addresses.length)
    for (const address of addresses) writer.text(address)
  }
  return writer.toBytes()
}

/** @throws CatalogError PEER_MISBEHAVED */
export function decodePeerMessage(body: Uint8Array): PeerMessage {
  const reader = new FieldReader(body)
  const type = reader.u8()
  if (type === TYPES.ask) {
    const max = bounded(reader.u8(), MAX_EXCHANGED_PEERS, 'peers asked for')
    reader.end()
    return { type: 'ask', max }
  }
  if (type !== TYPES.peers) throw misbehaved(`message of unknown type ${type}`)
  const count = bounded(reader.u8(), MAX_EXCHANGED_PEERS, 'peers')
  const peers: KnownPeer[] = []
  for (let i = 0; i < count; i += 1) peers.push(decodePeer(reader))
  reader.end()
  return { type: 'peers', peers }
}

function decodePeer(reader: FieldReader): KnownPeer {
  const peer = decodeText(reader, MAX_PEER_ID_BYTES)
  if (!PEER_ID.test(peer)) throw misbehaved('malformed peer id')
  const count = bounded(reader.u8(), MAX_ADDRESSES_PER_PEER, 'addresses')
  const addresses: string[] = []
  for (let i = 0; i < count; i += 1) addresses.push(decodeText(reader, MAX_ADDRESS_BYTES))
  return { peer, addresses }
}

function decodeText(reader: FieldReader, maxBytes: number): string {
  try {
    return reader.text(maxBytes)
  } catch (error) {
    // TextDecoder's way of saying that it is not UTF-8.
    if (error instanceof TypeError) throw misbehaved('text is not UTF-8')
    throw error
  }
}

function bounded(count: number, max: number, what: string): number {
  if (count > max) throw misbehaved(`${count} ${what}, ${max} allowed`)
  return count
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', what)
}
