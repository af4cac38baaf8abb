/**
 * Publishers' keys: Ed25519 (RFC 8032) and Falcon-512 (https://falcon-sign.info, padded signatures) side by side. A signature is
 * both over the same message, and both must hold: breaking one of the two, or forging it with a quantum computer, is not enough.
 * Each encoding begins with its algorithm, so that another one can come. Never logs, prints or keeps a secret key.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as falconModule from '@noble/post-quantum/falcon.js'
import { CatalogError } from '../errors.ts'

/** The first byte of keys and signatures. */
const ED25519_FALCON512 = 1

const ED25519_BYTES = { seed: 32, publicKey: 32, signature: 64 } as const
const FALCON_BYTES = { seed: 48, secretKey: 1281, publicKey: 897, signature: 666 } as const

/** u8 algorithm, Ed25519 key, Falcon-512 key. */
export const PUBLIC_KEY_BYTES = 1 + ED25519_BYTES.publicKey + FALCON_BYTES.publicKey
/** u8 algorithm, Ed25519 signature, Falcon-512 signature. */
export const SIGNATURE_BYTES = 1 + ED25519_BYTES.signature + FALCON_BYTES.signature
/** u8 algorithm, Ed25519 seed, Falcon-512 secret key. */
const SECRET_KEY_BYTES = 1 + ED25519_BYTES.seed + FALCON_BYTES.secretKey

declare const publicKeyBrand: unique symbol
/** PUBLIC_KEY_BYTES of a known algorithm. */
export type PublicKey = Uint8Array & { readonly [publicKeyBrand]: true }

export interface HybridKey {
  readonly publicKey: PublicKey
  /** SECRET_KEY_BYTES: for key files, which are for their user alone. */
  exportSecret(): Uint8Array
  /** Both signatures, SIGNATURE_BYTES. */
  sign(message: Uint8Array): Uint8Array
}

type Falcon = typeof falconModule.falcon512padded

const load = createRequire(import.meta.url)
let loaded: Falcon | undefined

/** Loaded when it is first needed: that takes 70 ms, which commands that sign and verify nothing do not pay. */
function falcon(): Falcon {
  loaded ??= (load('@noble/post-quantum/falcon.js') as typeof falconModule).falcon512padded
  return loaded
}

/** Takes some 150 ms. */
export function generateKey(): HybridKey {
  const { secretKey } = falcon().keygen(randomBytes(FALCON_BYTES.seed))
  return createKey(randomBytes(ED25519_BYTES.seed), secretKey)
}

/** @throws CatalogError INVALID_KEY unless it is what `exportSecret` gave */
export function importSecret(bytes: Uint8Array): HybridKey {
  if (bytes.byteLength !== SECRET_KEY_BYTES || bytes[0] !== ED25519_FALCON512) {
    throw new CatalogError('INVALID_KEY', 'not a secret key of a known kind')
  }
  const seedEnd = 1 + ED25519_BYTES.seed
  try {
    return createKey(Uint8Array.from(bytes.subarray(1, seedEnd)), bytes.slice(seedEnd))
  } catch (error) {
    throw new CatalogError('INVALID_KEY', 'a damaged secret key', { cause: error })
  }
}

/** @throws CatalogError INVALID_KEY unless they are a public key of a known algorithm */
export function toPublicKey(bytes: Uint8Array): PublicKey {
  if (!isPublicKey(bytes)) {
    throw new CatalogError('INVALID_KEY', 'not a public key of a known kind', {
      hint: 'a newer catalog may know it: update this one',
    })
  }
  return bytes
}

function isPublicKey(bytes: Uint8Array): bytes is PublicKey {
  return bytes.byteLength === PUBLIC_KEY_BYTES && bytes[0] === ED25519_FALCON512
}

/** Whether both signatures hold. The cheap one is tried first: what is made up costs 0.1 ms, not 1. Never throws. */
export function verifySignature(
  message: Uint8Array,
  { signature, publicKey }: { readonly signature: Uint8Array; readonly publicKey: PublicKey },
): boolean {
  if (signature.byteLength !== SIGNATURE_BYTES || signature[0] !== publicKey[0]) return false
  const ed25519 = {
    publicKey: publicKey.subarray(1, 1 + ED25519_BYTES.publicKey),
    signature: signature.subarray(1, 1 + ED25519_BYTES.signature),
  }
  if (!verifyEd25519(message, ed25519)) return false
  return falcon().verify(
    signature.subarray(1 + ED25519_BYTES.signature),
    message,
    publicKey.subarray(1 + ED25519_BYTES.publicKey),
  )
}

function createKey(seed: Uint8Array, falconSecret: Uint8Array): HybridKey {
  const ed25519 = createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const { x = '' } = createPublicKey(ed25519).export({ format: 'jwk' })
  const algorithm = Uint8Array.of(ED25519_FALCON512)
  const falconPublic = falcon().getPublicKey(falconSecret)
  return {
    publicKey: toPublicKey(join(algorithm, Buffer.from(x, 'base64url'), falconPublic)),
    exportSecret: () => join(algorithm, seed, falconSecret),
    sign: (message) =>
      join(algorithm, sign(null, message, ed25519), falcon().sign(message, falconSecret)),
  }
}

/** RFC 8410, section 7: all of a private key's DER but its 32 bytes. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

function verifyEd25519(
  message: Uint8Array,
  { publicKey, signature }: { readonly publicKey: Uint8Array; readonly signature: Uint8Array },
): boolean {
  try {
    const x = Buffer.from(publicKey).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, message, key, signature)
  } catch {
    return false // a point that is none
  }
}

/** Memory of its own, not Buffer's pool: keys and signatures are kept. */
function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.byteLength
  }
  return joined
}
