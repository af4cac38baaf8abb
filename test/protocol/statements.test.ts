/**
 * What is signed, byte by byte. The vectors are made from docs/protocol.md by another program: CBOR and base32 by hand, Ed25519 by
 * another library, and the Falcon half, which differs each time, by liboqs 0.14 (its WebAssembly of npm, Falcon-padded-512) from the
 * secret key that stands there. What we sign is checked by a verifier of its own, written from Falcon's specification.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MalformedError } from '../../core/src/content/malformed.ts'
import {
  decodeCanonical,
  encodeCanonical,
  type CanonicalValue,
} from '../../core/src/signing/canonical.ts'
import { importSecret } from '../../core/src/signing/hybrid-key.ts'
import { keyIdFromBytes, keyIdOf, keyIdToBytes, parseKeyId } from '../../core/src/signing/key-id.ts'
import { openStatement, signStatement } from '../../core/src/signing/statement.ts'
import { isFalconSignature } from '../support/falcon-verifier.ts'

interface Vectors {
  readonly key: { secret: string; public: string; idBytes: string; id: string }
  readonly canonical: { name: string; value: CanonicalValue; encoded: string }[]
  readonly refused: { name: string; bytes: string }[]
  readonly statement: { type: string; body: string; message: string; encoded: string }
}

const path = new URL('vectors/statements.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors
const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const FALCON_BYTES = 666
const FALCON_KEY_BYTES = 897

test.each(vectors.canonical)('canonical: $name', ({ value, encoded }) => {
  expect(toHex(encodeCanonical(value))).toBe(encoded.replaceAll(' ', ''))
  expect(decodeCanonical(fromHex(encoded), { maxBytes: 1000 })).toEqual(value)
})

test.each(vectors.refused)('not canonical: $name', ({ bytes }) => {
  expect(() => decodeCanonical(fromHex(bytes), { maxBytes: 1000 })).toThrow(MalformedError)
})

test('a key, its public half and its id', () => {
  const key = importSecret(fromHex(vectors.key.secret))
  expect(toHex(key.exportSecret())).toBe(toHex(fromHex(vectors.key.secret)))
  expect(toHex(key.publicKey)).toBe(toHex(fromHex(vectors.key.public)))
  expect(keyIdOf(key.publicKey)).toBe(vectors.key.id)
  expect(keyIdFromBytes(fromHex(vectors.key.idBytes))).toBe(vectors.key.id)
  expect(toHex(keyIdToBytes(parseKeyId(vectors.key.id)))).toBe(vectors.key.idBytes)
})

test('a statement', () => {
  const { type, body, encoded, message } = vectors.statement
  const value = decodeCanonical(fromHex(body), { maxBytes: 100 }) as CanonicalValue
  expect(openStatement(fromHex(encoded), { type, maxBytes: 2000 })).toEqual({
    body: value,
    signer: vectors.key.id,
    publicKey: new Uint8Array(fromHex(vectors.key.public)),
  })
  const key = importSecret(fromHex(vectors.key.secret))
  const again = signStatement({ type, body: value }, key)
  const [signed, expected] = [again, fromHex(encoded)].map((all) =>
    toHex(all.subarray(0, -FALCON_BYTES)),
  )
  expect(signed).toBe(expected)
  expect(openStatement(again, { type, maxBytes: 2000 }).body).toEqual(value)
  const falconKey = fromHex(vectors.key.public).subarray(-FALCON_KEY_BYTES)
  for (const each of [again, fromHex(encoded)]) {
    const falcon = each.subarray(-FALCON_BYTES)
    expect(isFalconSignature(falcon, fromHex(message), falconKey)).toBe(true)
    expect(isFalconSignature(falcon, fromHex(`${message}00`), falconKey)).toBe(false)
  }
  // Ed25519 is the same each time: it is over this message and no other.
  const ed25519 = toHex(key.sign(fromHex(message))).slice(2, 2 + 128)
  expect(toHex(fromHex(encoded))).toContain(ed25519)
})
