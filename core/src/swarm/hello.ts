/** The first message on a connection of a private swarm: what its dialer has come for. Pure. */
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import { NONCE_BYTES } from './proof.ts'

const VERSION = 1
const MEMBER = 0
const JOIN = 1
export const INVITE_ID_BYTES = 8

export interface Hello {
  readonly nonce: Uint8Array
  /** Of the invite that it brings; undefined: it is a member. */
  readonly invite: Uint8Array | undefined
}

export const HELLO = {
  member: (nonce: Uint8Array): Uint8Array =>
    new FieldWriter().u8(VERSION).u8(MEMBER).bytes(nonce).toBytes(),
  join: (nonce: Uint8Array, invite: Uint8Array): Uint8Array =>
    new FieldWriter().u8(VERSION).u8(JOIN).bytes(nonce).bytes(invite).toBytes(),
}

/** @throws CatalogError PEER_REFUSED, PEER_MISBEHAVED */
export function decodeHello(body: Uint8Array): Hello {
  const reader = new FieldReader(body)
  const version = reader.u8()
  const purpose = reader.u8()
  if (version !== VERSION || (purpose !== MEMBER && purpose !== JOIN)) throw outsider()
  const nonce = reader.bytes(NONCE_BYTES)
  const invite = purpose === JOIN ? reader.bytes(INVITE_ID_BYTES) : undefined
  reader.end()
  return { nonce, invite }
}

export function outsider(): CatalogError {
  return new CatalogError('PEER_REFUSED', 'the peer is not of our private swarm', {
    hint: 'both machines need the same swarm: see "catalog swarm members" on each of them',
  })
}
