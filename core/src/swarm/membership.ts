/**
 * Proof of membership in a private swarm, as hosts ask for it of every new connection. Three messages, so that the dialer
 * waits for one round trip and the listener for one:
 *
 *   dialer    hello: what for, its nonce
 *   listener  its nonce, and a proof under each key that it knows (two while keys change)
 *   dialer    which of them it knows too, and its own proof under that key
 *
 * It never says which swarm this is: what an outsider gets are random bytes and bytes that only a member can tell from
 * random ones. docs/protocol.md, section Private swarms
 */
import { randomBytes } from 'node:crypto'
import { MAX_CERTIFICATE_BYTES } from '../certificates/certificate.ts'
import type { ByteStream, Meeting } from '../host/host.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import { encodeFrame } from '../wire/frames.ts'
import type { FrameSource } from './frame-source.ts'
import { HELLO, outsider, type Hello } from './hello.ts'
import { NONCE_BYTES, openProof, sealProof, SEAL_BYTES, type ProofContext } from './proof.ts'
import type { SwarmKey } from './swarm-key.ts'

/** While keys change there are two; more are a mistake. */
export const MAX_KEYS = 4
export const MAX_MESSAGE_BYTES =
  NONCE_BYTES + 1 + MAX_KEYS * (2 + MAX_CERTIFICATE_BYTES + SEAL_BYTES)

/** What this side knows. */
export interface Knowledge {
  /** What proves membership now, the newest first. */
  readonly keys: readonly SwarmKey[]
  /** Shown to members only: a certificate, or nothing. */
  readonly credential: Uint8Array
}

/** What the other side has shown. */
export interface Shown {
  readonly key: SwarmKey
  readonly credential: Uint8Array
}

export interface Talk {
  readonly stream: ByteStream
  readonly frames: FrameSource
  readonly meeting: Meeting
}

/**
 * @param accept looks at the credential before anything is proven to that peer; throws when it will not do
 * @throws CatalogError PEER_REFUSED, PEER_MISBEHAVED, and what the stream throws
 */
export async function proveAsDialer(
  { stream, frames, meeting: { self, peer } }: Talk,
  { keys, credential }: Knowledge,
  accept: (shown: Shown) => void,
): Promise<void> {
  const dialerNonce = randomBytes(NONCE_BYTES)
  await stream.write(encodeFrame(HELLO.member(dialerNonce)))
  const { listenerNonce, proofs } = decodeProofs(await frames.next())
  const nonces = { dialerNonce, listenerNonce }
  const context: ProofContext = { purpose: 'member', dialer: self, listener: peer, ...nonces }
  for (const key of keys) {
    for (const [index, proof] of proofs.entries()) {
      const shown = openProof(key, context, LISTENER, proof)
      if (shown === undefined) continue
      accept({ key, credential: shown })
      const own = sealProof(key, context, DIALER, credential)
      await stream.write(encodeFrame(new FieldWriter().u8(index).bytes(own).toBytes()))
      return
    }
  }
  throw outsider()
}

/** The other side of it, after the hello. */
export async function proveAsListener(
  { stream, frames, meeting: { self, peer } }: Talk,
  { nonce: dialerNonce }: Hello,
  { keys, credential }: Knowledge,
): Promise<Shown> {
  const listenerNonce = randomBytes(NONCE_BYTES)
  const nonces = { dialerNonce, listenerNonce }
  const context: ProofContext = { purpose: 'member', dialer: peer, listener: self, ...nonces }
  const message = new FieldWriter().bytes(listenerNonce).u8(keys.length)
  for (const key of keys) {
    const proof = sealProof(key, context, LISTENER, credential)
    message.u16(proof.byteLength).bytes(proof)
  }
  await stream.write(encodeFrame(message.toBytes()))
  const answer = new FieldReader(await frames.next())
  const key = keys[answer.u8()]
  const shown = key && openProof(key, context, DIALER, answer.rest())
  if (key === undefined || shown === undefined) throw outsider()
  return { key, credential: shown }
}

const DIALER = { role: 'dialer', step: 'proof' } as const
const LISTENER = { role: 'listener', step: 'proof' } as const

function decodeProofs(body: Uint8Array): { listenerNonce: Uint8Array; proofs: Uint8Array[] } {
  const reader = new FieldReader(body)
  const listenerNonce = Buffer.from(reader.bytes(NONCE_BYTES))
  const count = reader.u8()
  if (count > MAX_KEYS) throw outsider()
  const proofs = Array.from({ length: count }, () => reader.bytes(reader.u16()))
  reader.end()
  return { listenerNonce, proofs }
}
