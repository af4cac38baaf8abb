/**
 * What nodes say to each other on the LAN, in multicast DNS as libp2p's specification words it
 * (https://github.com/libp2p/specs/blob/master/discovery/mdns.md), under a service name of our own. Pure. Everything parsed here
 * comes from strangers: it is bounded, and what is odd is dropped.
 */
import { decode, encode, type Answer, type Packet } from 'dns-packet'
import type { PeerId } from '../host.ts'
import { findAddress, peerOf } from '../libp2p/peer-addresses.ts'

export const LAN_SERVICE = '_catalog-p2p._udp.local'

/** One datagram on any link, without fragments: IPv6's minimum MTU less headers. */
const MAX_PACKET_BYTES = 1200
/** Of a character string in a TXT record. */
const MAX_TXT_BYTES = 255
const MAX_TXT_RECORDS = 64
const TTL_SECONDS = 120
const PREFIX = 'dnsaddr='

export type LanMessage =
  | { readonly type: 'query' }
  | { readonly type: 'answer'; readonly peers: ReadonlyMap<PeerId, readonly string[]> }

export function encodeLanQuery(): Buffer {
  return encode({ type: 'query', questions: [{ name: LAN_SERVICE, type: 'PTR', class: 'IN' }] })
}

/**
 * An answer with as many of the addresses as fit, first ones first. `label` names this node for DNS: at most 63 letters and
 * digits.
 */
export function encodeLanAnswer(label: string, addresses: readonly string[]): Buffer {
  const name = `${label}.${LAN_SERVICE}`
  const answers: Answer[] = [
    { name: LAN_SERVICE, type: 'PTR', class: 'IN', ttl: TTL_SECONDS, data: name },
  ]
  let packet = encodeAnswers(answers)
  for (const address of addresses) {
    const data = PREFIX + address
    if (Buffer.byteLength(data) > MAX_TXT_BYTES) continue
    answers.push({ name, type: 'TXT', class: 'IN', ttl: TTL_SECONDS, data })
    const longer = encodeAnswers(answers)
    if (longer.byteLength > MAX_PACKET_BYTES) break
    packet = longer
  }
  return packet
}

/** Undefined for what is not about our service: the port is shared with every printer of the house. */
export function decodeLanMessage(bytes: Uint8Array): LanMessage | undefined {
  const packet = decodePacket(bytes)
  if (packet === undefined) return undefined
  if (packet.type === 'query') {
    const isOurs = packet.questions?.some(({ name }) => isSameName(name, LAN_SERVICE)) === true
    return isOurs ? { type: 'query' } : undefined
  }
  const peers = new Map<PeerId, string[]>()
  for (const text of ourTexts(packet)) {
    const address = text.startsWith(PREFIX) ? findAddress(text.slice(PREFIX.length)) : undefined
    const peer = address && peerOf(address)
    if (address === undefined || peer === undefined) continue
    const addresses = peers.get(peer) ?? []
    addresses.push(address.toString())
    peers.set(peer, addresses)
  }
  return peers.size > 0 ? { type: 'answer', peers } : undefined
}

function encodeAnswers(answers: Answer[]): Buffer {
  // AA, as the specification of multicast DNS has it for every answer (RFC 6762, section 18.4).
  return encode({ type: 'response', flags: 0x0400, answers })
}

function decodePacket(bytes: Uint8Array): Packet | undefined {
  try {
    return decode(Buffer.from(bytes))
  } catch {
    // Not DNS, or broken: ignored.
    return undefined
  }
}

function ourTexts(packet: Packet): string[] {
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
  const texts: string[] = []
  for (const record of records.slice(0, MAX_TXT_RECORDS)) {
    if (record.type !== 'TXT' || !isBelow(record.name, LAN_SERVICE)) continue
    for (const data of Array.isArray(record.data) ? record.data : [record.data]) {
      if (texts.length < MAX_TXT_RECORDS) texts.push(data.toString())
    }
  }
  return texts
}

function isSameName(name: string, other: string): boolean {
  return name.toLowerCase() === other.toLowerCase()
}

function isBelow(name: string, parent: string): boolean {
  return name.toLowerCase().endsWith(`.${parent.toLowerCase()}`)
}
