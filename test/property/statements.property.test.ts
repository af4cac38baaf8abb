/** What is signed opens as it was and only as it was: any byte changed, either half forged, any other type or key is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MalformedError } from '../../core/src/content/malformed.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import {
  decodeCanonical,
  encodeCanonical,
  type CanonicalValue,
} from '../../core/src/signing/canonical.ts'
import { generateKey, SIGNATURE_BYTES, verifySignature } from '../../core/src/signing/hybrid-key.ts'
import { keyIdFromBytes, keyIdToBytes, parseKeyId } from '../../core/src/signing/key-id.ts'
import {
  openStatement,
  signStatement,
  STATEMENT_OVERHEAD_BYTES,
} from '../../core/src/signing/statement.ts'

const [key, otherKey] = [generateKey(), generateKey()]
const EXPECTED = { type: 'catalog/release/1', maxBytes: 4000 }
const ED25519 = { start: 1, end: 65 }

const { value: values } = fc.letrec<{ value: CanonicalValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().filter((each) => !Object.is(each, -0)),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
  ),
}))

function isRefused(open: () => unknown): boolean {
  try {
    open()
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return true
    throw error
  }
  return false
}

describe('canonical CBOR', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(values, (value) => {
        const encoded = encodeCanonical(value)
        expect(decodeCanonical(encoded, { maxBytes: encoded.byteLength })).toEqual(value)
        expect(() => decodeCanonical(encoded, { maxBytes: encoded.byteLength - 1 })).toThrow(
          MalformedError,
        )
      }),
    )
  })

  test('bytes that are read at all have one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        let value: CanonicalValue
        try {
          value = decodeCanonical(bytes, { maxBytes: 12 }) as CanonicalValue
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
          return
        }
        expect(encodeCanonical(value)).toEqual(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  test('nesting and numbers of items are bounded before anything recurses', () => {
    const deep = new Uint8Array(1_000_000).fill(0x81)
    const many = new Uint8Array(1_000_000).fill(0x80)
    many.set([0x9a, 0x00, 0x0f, 0x42, 0x3b]) // a list of 999,995 lists
    for (const bytes of [deep, many]) {
      expect(() => decodeCanonical(bytes, { maxBytes: 1_000_000 })).toThrow(MalformedError)
    }
  })

  test.each([[1.5], [Number.NaN], [-0], [2 ** 53], ['\ud800'], [{ a: undefined }], [new Date(0)]])(
    'what has no spelling is not encoded: %s',
    (value) => {
      expect(() => encodeCanonical(value as CanonicalValue)).toThrow(TypeError)
    },
  )
})

describe('statements', () => {
  const statement = signStatement({ type: EXPECTED.type, body: { name: 'x', version: 1 } }, key)

  test('open as they were signed', () => {
    fc.assert(
      fc.property(values, (body) => {
        const signed = signStatement({ type: 'catalog/any/1', body }, key)
        const opened = openStatement(signed, { type: 'catalog/any/1', maxBytes: 100_000 })
        expect(opened.body).toEqual(body)
        expect(opened.publicKey).toEqual(key.publicKey)
      }),
      { numRuns: 20 },
    )
  })

  test('the least change of any byte is noticed', () => {
    fc.assert(
      fc.property(
        fc.nat(statement.byteLength - 1),
        fc.integer({ min: 1, max: 255 }),
        (index, flip) => {
          const changed = Uint8Array.from(statement)
          changed[index] = (changed[index] ?? 0) ^ flip
          return isRefused(() => openStatement(changed, EXPECTED))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('cut short, with more behind it, or too long', () => {
    fc.assert(
      fc.property(fc.nat(statement.byteLength - 1), (length) =>
        isRefused(() => openStatement(statement.subarray(0, length), EXPECTED)),
      ),
    )
    const longer = Uint8Array.of(...statement, 0)
    expect(isRefused(() => openStatement(longer, EXPECTED))).toBe(true)
    const { byteLength } = statement
    expect(
      isRefused(() => openStatement(statement, { ...EXPECTED, maxBytes: byteLength - 1 })),
    ).toBe(true)
    expect(openStatement(statement, { ...EXPECTED, maxBytes: byteLength }).body).toBeDefined()
    expect(byteLength).toBeLessThanOrEqual(STATEMENT_OVERHEAD_BYTES + 20)
  })

  test('signed as one thing it is nothing else', () => {
    expect(isRefused(() => openStatement(statement, { ...EXPECTED, type: 'catalog/head/1' }))).toBe(
      true,
    )
    const renamed = Buffer.from(statement)
    renamed.write('catalog/rel2ase/1', renamed.indexOf('catalog/release/1'))
    expect(
      isRefused(() => openStatement(renamed, { ...EXPECTED, type: 'catalog/rel2ase/1' })),
    ).toBe(true)
  })

  test('either half alone is worth nothing', () => {
    const message = Buffer.from('message')
    const { publicKey } = key
    const [own, foreign] = [key.sign(message), otherKey.sign(message)]
    expect(verifySignature(message, { signature: own, publicKey })).toBe(true)
    const halves = [
      [own, foreign],
      [foreign, own],
    ] as const
    for (const [ed25519, falcon] of halves) {
      const signature = Uint8Array.from(falcon)
      signature.set(ed25519.subarray(ED25519.start, ED25519.end), ED25519.start)
      expect(signature).toHaveLength(SIGNATURE_BYTES)
      expect(verifySignature(message, { signature, publicKey })).toBe(false)
    }
    // A key of one half each is another key, and the statement is not signed by it either.
    const mixed = Uint8Array.from(publicKey)
    mixed.set(otherKey.publicKey.subarray(1, 33), 1)
    const changed = Buffer.from(statement)
    Buffer.from(mixed).copy(changed, changed.indexOf(publicKey))
    expect(isRefused(() => openStatement(changed, EXPECTED))).toBe(true)
  })
})

describe('key ids', () => {
  const ids = fc.uint8Array({ minLength: 32, maxLength: 32 })

  test('come back however they are typed', () => {
    fc.assert(
      fc.property(ids, fc.constantFrom('', ' ', '-'), (bytes, separator) => {
        const id = keyIdFromBytes(bytes)
        expect(new Uint8Array(keyIdToBytes(id))).toEqual(bytes)
        const typed = id.replaceAll('-', separator).replaceAll('0', 'O').replaceAll('1', 'l')
        expect(parseKeyId(typed.toUpperCase())).toBe(id)
      }),
    )
  })

  test('a slip of the hand is noticed', () => {
    fc.assert(
      fc.property(
        ids,
        fc.nat(68),
        fc.constantFrom(...'0123456789abcdefgh'),
        (bytes, at, letter) => {
          const id = keyIdFromBytes(bytes)
          fc.pre(id[at] !== '-' && id[at] !== letter)
          const typed = `${id.slice(0, at)}${letter}${id.slice(at + 1)}`
          expect(() => parseKeyId(typed)).toThrow(/slip/)
        },
      ),
    )
  })
})
