/**
 * What nodes say to each other on the LAN, in multicast DNS as libp2p's specification words it
 * (https://github.com/libp2p/specs/blob/master/discovery/mdns.md), under a service name of our own. Pure. Everything parsed here
 * comes from strangers: it is bounded, and what is odd is dropped.
 */
import { decode, encode, type Answer, type Packet } from 'dns-packet'
import type { LanSeal, PeerId } from '../host.ts'
import { findAddress, peerOf } from '../libp2p/addresses/peer-addresses.ts'

export const LAN_SERVICE = '_catalog-p2p._udp.local'

/** One datagram on any link, without fragments: IPv6's minimum MTU less headers. */
const MAX_PACKET_BYTES = 1200
/** Of a character string in a TXT record. */
const MAX_TXT_BYTES = 255
const MAX_TXT_RECORDS = 64
const TTL_SECONDS = 120
const PREFIX = 'dnsaddr='

/** Of members of a private swarm: the addresses, sealed, with a line break between. */
const SEALED_PREFIX = 'sealed='

export type LanMessage =
  | { readonly type: 'query' }
  | { readonly type: 'answer'; readonly peers: ReadonlyMap<PeerId, readonly string[]> }

export function encodeLanQuery(seal?: LanSeal): Buffer {
  return encode({ type: 'query', questions: [{ name: serviceOf(seal), type: 'PTR', class: 'IN' }] })
}

function serviceOf(seal: LanSeal | undefined): string {
  return seal === undefined ? LAN_SERVICE : `${seal.tag}.${LAN_SERVICE}`
}

/**
 * An answer with as many of the addresses as fit, first ones first. `label` names this node for DNS: at most 63 letters and
 * digits.
 */
export function encodeLanAnswer(
  label: string,
  addresses: readonly string[],
  seal?: LanSeal,
): Buffer {
  const service = serviceOf(seal)
  const name = `${label}.${service}`
  const answersWith = (texts: readonly string[]): Buffer => {
    const common = { class: 'IN', ttl: TTL_SECONDS } as const
    const records = texts.map((data): Answer => ({ ...common, name, type: 'TXT', data }))
    return encodeAnswers([{ ...common, name: service, type: 'PTR', data: name }, ...records])
  }
  const told: string[] = []
  let packet = answersWith([])
  for (const address of addresses) {
    if (Buffer.byteLength(PREFIX + address) > MAX_TXT_BYTES) continue
    told.push(address)
    const texts = seal === undefined ? told.map((one) => PREFIX + one) : sealedTexts(told, seal)
    const longer = answersWith(texts)
    if (longer.byteLength > MAX_PACKET_BYTES) break
    packet = longer
  }
  return packet
}

/** In pieces that fit a character string, numbered. */
function sealedTexts(addresses: readonly string[], { seal }: LanSeal): string[] {
  const text = Buffer.from(seal(Buffer.from(addresses.join('\n')))).toString('base64url')
  const room = MAX_TXT_BYTES - SEALED_PREFIX.length - 1
  const pieces = Math.ceil(text.length / room)
  return Array.from(
    { length: pieces },
    (_, index) => `${SEALED_PREFIX}${index}${text.slice(index * room, (index + 1) * room)}`,
  )
}

function openTexts(texts: readonly string[], { open }: LanSeal): string[] {
  const pieces = texts.filter((text) => text.startsWith(SEALED_PREFIX)).toSorted()
  const text = pieces.map((piece) => piece.slice(SEALED_PREFIX.length + 1)).join('')
  const opened = open(Buffer.from(text, 'base64url'))
  return opened === undefined ? [] : new TextDecoder().decode(opened).split('\n')
}

/** Undefined for what is not about our service: the port is shared with every printer of the house. */
export function decodeLanMessage(bytes: Uint8Array, seal?: LanSeal): LanMessage | undefined {
  const service = serviceOf(seal)
  const packet = decodePacket(bytes)
  if (packet === undefined) return undefined
  if (packet.type === 'query') {
    const isOurs = packet.questions?.some(({ name }) => isSameName(name, service)) === true
    return isOurs ? { type: 'query' } : undefined
  }
  const peers = new Map<PeerId, string[]>()
  const texts = ourTexts(packet, service)
  for (const text of seal === undefined ? plainTexts(texts) : openTexts(texts, seal)) {
    const address = findAddress(text)
    const peer = address && peerOf(address)
    if (address === undefined || peer === undefined) continue
    const addresses = peers.get(peer) ?? []
    addresses.push(address.toString())
    peers.set(peer, addresses)
  }
  return peers.size > 0 ? { type: 'answer', peers } : undefined
}

function plainTexts(texts: readonly string[]): string[] {
  return texts.flatMap((text) => (text.startsWith(PREFIX) ? [text.slice(PREFIX.length)] : []))
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

function ourTexts(packet: Packet, service: string): string[] {
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
  const texts: string[] = []
  for (const record of records.slice(0, MAX_TXT_RECORDS)) {
    if (record.type !== 'TXT' || !isBelow(record.name, service)) continue
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
