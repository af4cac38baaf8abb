/**
 * The messages of `/catalog/carrier/1.0.0` as bytes, and back. An offer holds a secret: it goes over an authenticated connection to the
 * one peer that asked, and into no log. Pure. docs/protocol.md, section Carriers
 */
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'

export const CARRIER_PROTOCOL = '/catalog/carrier/1.0.0'
export const TICKET_BYTES = 16
export const TICKET_KEY_BYTES = 32
export const CARRIER_OFFER_BYTES = 2 + TICKET_BYTES + TICKET_KEY_BYTES
/** A later version may say more in its request. */
export const MAX_CARRIER_REQUEST_BYTES = 64
const VERSION = 1

/** Where a peer listens for carriers, and what shows there that it is us: a pre-shared key of TLS 1.3, and its identity. */
export interface CarrierOffer {
  readonly port: number
  readonly ticket: Uint8Array
  readonly key: Uint8Array
}

export function encodeCarrierRequest(): Uint8Array {
  return new FieldWriter().u8(VERSION).toBytes()
}

/** Of any version: what a later one adds is not for us. @throws CatalogError PEER_MISBEHAVED */
export function decodeCarrierRequest(body: Uint8Array): { readonly version: number } {
  const version = new FieldReader(body).u8()
  if (version === 0) throw new CatalogError('PEER_MISBEHAVED', 'malformed message: version 0')
  return { version }
}

export function encodeCarrierOffer({ port, ticket, key }: CarrierOffer): Uint8Array {
  return new FieldWriter().u16(port).bytes(ticket).bytes(key).toBytes()
}

/** @throws CatalogError PEER_MISBEHAVED */
export function decodeCarrierOffer(body: Uint8Array): CarrierOffer {
  const reader = new FieldReader(body)
  const port = reader.u16()
  if (port === 0) throw new CatalogError('PEER_MISBEHAVED', 'malformed message: port 0')
  const ticket = Uint8Array.from(reader.bytes(TICKET_BYTES))
  const key = Uint8Array.from(reader.bytes(TICKET_KEY_BYTES))
  reader.end()
  return { port, ticket, key }
}
