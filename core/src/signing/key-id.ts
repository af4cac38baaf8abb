/**
 * A key's id is its fingerprint: what trust stores hold and what people compare, read out and type. SHA-256 of the encoded public
 * key and three bytes that catch a slip of the hand, in Crockford's base32 (https://www.crockford.com/base32.html: no letter
 * looks like a digit), 14 groups of 4. Pure.
 */
import { createHash } from 'node:crypto'
import { CatalogError } from '../errors.ts'
import type { PublicKey } from './hybrid-key.ts'

declare const keyIdBrand: unique symbol
/** Lower case, groups of four with dashes between: 69 characters. The one spelling that is kept and compared. */
export type KeyId = string & { readonly [keyIdBrand]: true }

export const KEY_ID_BYTES = 32

const CHECK_DOMAIN = 'catalog-p2p key id 1\0'
const CHECK_BYTES = 3
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const GROUP = 4
const CHARACTERS = ((KEY_ID_BYTES + CHECK_BYTES) * 8) / 5

export function keyIdOf(publicKey: PublicKey): KeyId {
  return keyIdFromBytes(createHash('sha256').update(publicKey).digest())
}

/** @throws CatalogError INVALID_KEY unless `bytes` are exactly 32 */
export function keyIdFromBytes(bytes: Uint8Array): KeyId {
  if (bytes.byteLength !== KEY_ID_BYTES) throw invalid(`${bytes.byteLength} bytes`)
  const text = toBase32(Buffer.concat([bytes, checkOf(bytes)]))
  return text.replace(/....(?=.)/g, '$&-') as KeyId
}

export function keyIdToBytes(id: KeyId): Uint8Array {
  return fromBase32(id.replaceAll('-', '')).subarray(0, KEY_ID_BYTES)
}

/**
 * What a person has typed: any case, with or without dashes and spaces, O for 0, I and L for 1.
 * @throws CatalogError INVALID_KEY, for a slip of the hand too
 */
export function parseKeyId(text: string): KeyId {
  const typed = text.slice(0, 200).toLowerCase().replace(/[\s-]/g, '')
  const plain = typed.replaceAll('o', '0').replace(/[il]/g, '1')
  if (plain.length !== CHARACTERS || [...plain].some((letter) => !ALPHABET.includes(letter))) {
    throw invalid(text)
  }
  const bytes = fromBase32(plain)
  const id = bytes.subarray(0, KEY_ID_BYTES)
  if (!checkOf(id).equals(bytes.subarray(KEY_ID_BYTES))) {
    throw new CatalogError('INVALID_KEY', `a key's fingerprint with a slip in it: ${text}`, {
      hint: 'compare it group by group with what its owner shows (catalog key list)',
    })
  }
  return keyIdFromBytes(id)
}

/** Whether it is a key id in its one spelling. */
export function isKeyId(text: string): text is KeyId {
  try {
    return parseKeyId(text) === text
  } catch {
    return false
  }
}

function checkOf(id: Uint8Array): Buffer {
  return createHash('sha256').update(CHECK_DOMAIN).update(id).digest().subarray(0, CHECK_BYTES)
}

// 35 bytes are 56 characters exactly: there is nothing to pad.
function toBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits.replace(/.{5}/g, (five) => ALPHABET.charAt(Number.parseInt(five, 2)))
}

function fromBase32(text: string): Buffer {
  const bits = [...text].map((each) => ALPHABET.indexOf(each).toString(2).padStart(5, '0')).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

function invalid(what: string): CatalogError {
  return new CatalogError('INVALID_KEY', `not a key's fingerprint: ${what.slice(0, 120)}`, {
    hint: `it has ${CHARACTERS / GROUP} groups of ${GROUP} letters and digits: catalog key list shows those of this machine`,
  })
}
