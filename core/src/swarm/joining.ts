/**
 * How a machine with an invite gets what makes it a member, over the same first stream of a connection, under the invite's
 * secret instead of the swarm's key:
 *
 *   dialer    hello: it wants to join, its nonce, which invite
 *   listener  its nonce, and a proof that it knows the invite's secret, too
 *   dialer    its own proof
 *   listener  the gift, sealed: what the machine becomes a member with
 *
 * Nothing of the swarm is said before the proof. The connection ends then: who has joined comes back as a member.
 */
import { createHash, randomBytes } from 'node:crypto'
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import { encodeFrame } from '../wire/frames.ts'
import { HELLO, INVITE_ID_BYTES, outsider, type Hello } from './hello.ts'
import type { Talk } from './membership.ts'
import { NONCE_BYTES, openProof, sealProof, type ProofContext } from './proof.ts'

export const INVITE_SECRET_BYTES = 16
const NOTHING = new Uint8Array()

export interface OpenInvite {
  readonly secret: Uint8Array
  /** What its bearer gets, once it has proved to be that; noted as used before it resolves. @throws when it counts no more */
  redeem(): Promise<Uint8Array>
}

/** By its id, as the hello names it. */
export type FindInvite = (id: string) => OpenInvite | undefined

/** 16 hex characters that do not show the secret. */
export function inviteIdOf(secret: Uint8Array): string {
  const hash = createHash('sha256').update('catalog-p2p invite 1\0').update(secret)
  return hash.digest().subarray(0, INVITE_ID_BYTES).toString('hex')
}

/** @returns the gift. @throws CatalogError PEER_REFUSED when there is none for this invite */
export async function joinAsDialer(
  { stream, frames, meeting: { self, peer } }: Talk,
  secret: Uint8Array,
): Promise<Uint8Array> {
  const dialerNonce = randomBytes(NONCE_BYTES)
  const id = Buffer.from(inviteIdOf(secret), 'hex')
  await stream.write(encodeFrame(HELLO.join(dialerNonce, id)))
  const reader = new FieldReader(await frames.next())
  const listenerNonce = Buffer.from(reader.bytes(NONCE_BYTES))
  const nonces = { dialerNonce, listenerNonce }
  const context: ProofContext = { purpose: 'join', dialer: self, listener: peer, ...nonces }
  if (openProof(secret, context, LISTENER, reader.rest()) === undefined) throw outsider()
  await stream.write(encodeFrame(sealProof(secret, context, DIALER, NOTHING)))
  const sealed = openProof(secret, context, GIFT, await frames.next())
  const gift = sealed && new FieldReader(sealed)
  if (gift?.u8() !== GIVEN) {
    const why = gift?.text(MAX_REASON_BYTES) ?? 'no answer that makes sense'
    throw new CatalogError('PEER_REFUSED', `the machine that invited does not let in: ${why}`, {
      hint: 'ask there for another invite',
    })
  }
  return gift.rest()
}

/** The other side of it, after the hello. */
export async function joinAsListener(
  { stream, frames, meeting: { self, peer } }: Talk,
  { nonce: dialerNonce, invite }: Hello,
  find: FindInvite,
): Promise<void> {
  const open = invite && find(Buffer.from(invite).toString('hex'))
  if (open === undefined) throw outsider()
  const { secret } = open
  const listenerNonce = randomBytes(NONCE_BYTES)
  const nonces = { dialerNonce, listenerNonce }
  const context: ProofContext = { purpose: 'join', dialer: peer, listener: self, ...nonces }
  const proof = sealProof(secret, context, LISTENER, NOTHING)
  await stream.write(encodeFrame(new FieldWriter().bytes(listenerNonce).bytes(proof).toBytes()))
  if (openProof(secret, context, DIALER, await frames.next()) === undefined) throw outsider()
  const gift = await giftOf(open)
  await stream.write(encodeFrame(sealProof(secret, context, GIFT, gift)))
  await stream.end()
  // The connection may be dropped once the other side has read to the end, and has ended too.
  await frames.next().catch(() => undefined)
}

async function giftOf(open: OpenInvite): Promise<Uint8Array> {
  try {
    return new FieldWriter()
      .u8(GIVEN)
      .bytes(await open.redeem())
      .toBytes()
  } catch (error) {
    // For the bearer of a true invite, who may know why it is of no use.
    const why = error instanceof Error ? error.message : String(error)
    return new FieldWriter().u8(REFUSED).text(why.slice(0, MAX_REASON_CHARS)).toBytes()
  }
}

const GIVEN = 0
const REFUSED = 1
const MAX_REASON_CHARS = 200
const MAX_REASON_BYTES = 4 * MAX_REASON_CHARS
const DIALER = { role: 'dialer', step: 'proof' } as const
const LISTENER = { role: 'listener', step: 'proof' } as const
const GIFT = { role: 'listener', step: 'gift' } as const
