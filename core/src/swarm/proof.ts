/**
 * What one peer shows another to prove that it knows a secret, and nothing else about it. A proof is a sealed credential
 * (AES-256-GCM, RFC 5116) whose key comes by HKDF (RFC 5869) from the secret, from a fresh nonce of each side and from both
 * peer ids as TLS or noise has proved them, with the role of the one who seals. So it opens for one meeting of these two peers
 * in one direction: a recorded one, one sent back and one passed on by somebody between them do not open. Pure.
 * docs/protocol.md, section Private swarms
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import type { Meeting } from '../host/host.ts'

export const NONCE_BYTES = 32
export const SEAL_BYTES = 16

const DOMAIN = 'catalog-p2p swarm proof 1'
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
/** Every key seals once only: it has both nonces in it. */
const IV = Buffer.alloc(12)

export type Purpose = 'member' | 'join'

export interface ProofContext {
  readonly purpose: Purpose
  readonly dialer: string
  readonly listener: string
  readonly dialerNonce: Uint8Array
  readonly listenerNonce: Uint8Array
}

/** @param step which message of the one who seals: a key seals once */
export interface Sealer {
  readonly role: Meeting['role']
  readonly step: 'proof' | 'gift'
}

/** The credential, encrypted, and the 16 bytes that prove the rest. */
export function sealProof(
  secret: Uint8Array,
  context: ProofContext,
  sealer: Sealer,
  credential: Uint8Array,
): Buffer {
  const cipher = createCipheriv(CIPHER, keyOf(secret, context, sealer), IV)
  return Buffer.concat([cipher.update(credential), cipher.final(), cipher.getAuthTag()])
}

/** The credential; undefined when this secret, in this meeting and role, has not sealed it. */
export function openProof(
  secret: Uint8Array,
  context: ProofContext,
  sealer: Sealer,
  sealed: Uint8Array,
): Buffer | undefined {
  const length = sealed.byteLength - SEAL_BYTES
  if (length < 0) return undefined
  const decipher = createDecipheriv(CIPHER, keyOf(secret, context, sealer), IV, {
    authTagLength: SEAL_BYTES,
  })
  decipher.setAuthTag(sealed.subarray(length))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()])
  } catch {
    return undefined
  }
}

function keyOf(secret: Uint8Array, context: ProofContext, { role, step }: Sealer): Buffer {
  const salt = Buffer.concat([context.dialerNonce, context.listenerNonce])
  // Peer ids are base58 and hold no NUL.
  const info = [DOMAIN, context.purpose, context.dialer, context.listener, role, step].join('\0')
  return Buffer.from(hkdfSync('sha256', secret, salt, info, KEY_BYTES))
}
