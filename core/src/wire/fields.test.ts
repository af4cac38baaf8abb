import { describe, expect, test } from 'vitest'
import { isCatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'

const misbehaved = expect.toSatisfy((error: unknown) => isCatalogError(error, 'PEER_MISBEHAVED'))

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('fields', () => {
  test('come back as they were written, big-endian', () => {
    const body = new FieldWriter()
      .u8(0xfe)
      .u16(0xfedc)
      .u32(0xfedcba98)
      .u64(Number.MAX_SAFE_INTEGER)
      .bigU64(2n ** 64n - 1n)
      .text('grün')
      .bytes(Uint8Array.of(7, 8))
      .toBytes()
    expect(Buffer.from(body).toString('hex')).toBe(
      'fe' +
        'fedc' +
        'fedcba98' +
        '001fffffffffffff' +
        'ffffffffffffffff' +
        '00056772c3bc6e' +
        '0708',
    )
    const fields = new FieldReader(body)
    expect(fields.u8()).toBe(0xfe)
    expect(fields.u16()).toBe(0xfedc)
    expect(fields.u32()).toBe(0xfedcba98)
    expect(fields.u64()).toBe(Number.MAX_SAFE_INTEGER)
    expect(fields.bigU64()).toBe(2n ** 64n - 1n)
    expect(fields.text(5)).toBe('grün')
    expect(fields.remaining).toBe(2)
    expect([...fields.rest()]).toEqual([7, 8])
    fields.end()
  })

  test.each([
    ['u8', 0, (f: FieldReader) => f.u8()],
    ['u16', 1, (f: FieldReader) => f.u16()],
    ['u32', 3, (f: FieldReader) => f.u32()],
    ['u64', 7, (f: FieldReader) => f.u64()],
    ['bigU64', 7, (f: FieldReader) => f.bigU64()],
    ['bytes', 9, (f: FieldReader) => f.bytes(10)],
    ['text', 1, (f: FieldReader) => f.text(10)],
  ])('%s of a body with %i bytes is malformed', (_, length, read) => {
    expect(thrownBy(() => read(new FieldReader(new Uint8Array(length))))).toEqual(misbehaved)
  })

  test('an integer above 2^53 - 1 is malformed', () => {
    const body = new FieldWriter().bigU64(2n ** 53n).toBytes()
    expect(thrownBy(() => new FieldReader(body).u64())).toEqual(misbehaved)
  })

  test('text longer than allowed, or longer than the body, is malformed', () => {
    const body = new FieldWriter().text('abc').toBytes()
    expect(thrownBy(() => new FieldReader(body).text(2))).toEqual(misbehaved)
    expect(thrownBy(() => new FieldReader(body.subarray(0, 4)).text(3))).toEqual(misbehaved)
  })

  test('text that is not UTF-8 is malformed, not a crash', () => {
    const body = new FieldWriter().u16(2).bytes(Uint8Array.of(0xc3, 0x28)).toBytes()
    expect(thrownBy(() => new FieldReader(body).text(2))).toEqual(misbehaved)
  })

  test('bytes too many are malformed', () => {
    expect(thrownBy(() => new FieldReader(Uint8Array.of(1)).end())).toEqual(misbehaved)
  })

  test('reads a view in the middle of a buffer', () => {
    const buffer = Uint8Array.of(9, 9, 1, 2, 9).subarray(2, 4)
    const fields = new FieldReader(buffer)
    expect(fields.u16()).toBe(0x0102)
    fields.end()
  })
})
