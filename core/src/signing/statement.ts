/**
 * A signed statement: a value, whose key signed it, and what it is good for. Its type is part of what is signed, so that nobody can
 * use what was signed as one thing for another. Everything is bounded before it is read, and nothing of it is read before both
 * signatures hold, its own or those of a statement that names its bytes. That a signature holds says who signed, never that this signer may: that is for a trust store.
 * docs/protocol.md, section Signed statements
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { MalformedError } from '../content/malformed.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import { decodeCanonical, encodeCanonical, type CanonicalValue } from './canonical.ts'
import {
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  toPublicKey,
  verifySignature,
  type HybridKey,
  type PublicKey,
} from './hybrid-key.ts'
import { keyIdOf, type KeyId } from './key-id.ts'

const DOMAIN = 'catalog-p2p statement 1'
/** `catalog/release/1`: printable ASCII. */
const TYPE = /^[a-z0-9/.-]{1,64}$/
/** What a statement has at most beside its body. */
export const STATEMENT_OVERHEAD_BYTES = 80 + PUBLIC_KEY_BYTES + SIGNATURE_BYTES

/** Statements whose signatures held, by their whole bytes: a head comes from many peers, and is opened at each step. */
const verified = new LRUCache<string, true>({ maxSize: 4_096, sizeCalculation: () => 1 })

export interface OpenedStatement {
  /** Canonical, but its shape is not known: whoever opens it checks. */
  readonly body: unknown
  readonly signer: KeyId
  readonly publicKey: PublicKey
}

/**
 * @param statement.type what it is, with a version at its end: `catalog/release/1`
 * @returns [type, public key, body, signature] in canonical CBOR
 * @throws TypeError for a body without a canonical spelling
 */
export function signStatement(
  { type, body }: { readonly type: string; readonly body: CanonicalValue },
  key: HybridKey,
): Uint8Array {
  if (!TYPE.test(type)) throw new TypeError(`not a type of statement: ${type}`)
  const bodyBytes = encodeCanonical(body)
  const signature = key.sign(messageOf(type, key.publicKey, bodyBytes))
  return encodeCanonical([type, key.publicKey, bodyBytes, signature])
}

/**
 * @param expected.type other statements are refused
 * @param expected.maxBytes longer ones are refused unread
 * @param expected.vouchedBy a verified statement of this signer names these very bytes by their hash, so all of it is signed already:
 *   its own signatures are not looked at, and every other signer is refused
 * @throws CatalogError INVALID_STATEMENT
 */
export function openStatement(
  bytes: Uint8Array,
  expected: { readonly type: string; readonly maxBytes: number; readonly vouchedBy?: KeyId },
): OpenedStatement {
  const { type, maxBytes, vouchedBy } = expected
  return readable(() => {
    const { publicKey, body, signature } = readEnvelope(bytes, expected)
    const signer = keyIdOf(publicKey)
    if (vouchedBy === undefined) verify(bytes, type, { publicKey, body, signature })
    else if (signer !== vouchedBy) throw rejected('another signer than who vouches for it')
    return { body: decodeCanonical(body, { maxBytes }), signer, publicKey }
  })
}

/**
 * Whose key it names, before anything is verified: only to leave unopened what nobody who counts has signed.
 * @throws CatalogError INVALID_STATEMENT
 */
export function claimedSigner(
  bytes: Uint8Array,
  expected: { readonly type: string; readonly maxBytes: number },
): KeyId {
  return readable(() => keyIdOf(readEnvelope(bytes, expected).publicKey))
}

/** @throws CatalogError INVALID_STATEMENT for what can't be read */
function readable<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) throw rejected(error.message, error)
    if (isCatalogError(error, 'INVALID_KEY')) throw rejected(error.message, error)
    throw error
  }
}

interface Envelope {
  readonly publicKey: PublicKey
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** @throws CatalogError INVALID_STATEMENT */
function verify(bytes: Uint8Array, type: string, { publicKey, body, signature }: Envelope): void {
  const id = hash('sha256', bytes, 'base64')
  if (verified.has(id)) return
  const message = messageOf(type, publicKey, body)
  if (!verifySignature(message, { signature, publicKey })) throw rejected('its signature')
  verified.set(id, true)
}

function readEnvelope(
  bytes: Uint8Array,
  { type, maxBytes }: { readonly type: string; readonly maxBytes: number },
): Envelope {
  const fields = decodeCanonical(bytes, { maxBytes })
  if (!Array.isArray(fields) || fields.length !== 4) throw new MalformedError('no statement')
  const [actualType, publicKey, body, signature] = fields as readonly unknown[]
  if (actualType !== type) throw new MalformedError(`not of type ${type}`)
  if (!(publicKey instanceof Uint8Array)) throw new MalformedError('no public key')
  if (!(body instanceof Uint8Array)) throw new MalformedError('no body')
  if (!(signature instanceof Uint8Array)) throw new MalformedError('no signature')
  return { publicKey: toPublicKey(publicKey), body, signature }
}

/** The key is in it too: a signature is of this key and of no other that it may hold for. */
function messageOf(type: string, publicKey: PublicKey, body: Uint8Array): Uint8Array {
  return encodeCanonical([DOMAIN, type, publicKey, body])
}

function rejected(what: string, cause?: unknown): CatalogError {
  return new CatalogError('INVALID_STATEMENT', `a signed statement is refused: ${what}`, {
    cause,
    hint: 'it was damaged or forged: get it from somebody else',
  })
}
