import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { expectedIntegrity, mismatch } from './integrity.ts'

const bytes = Buffer.from('a tarball')
const hash = (algorithm: string, of = bytes): string =>
  `${algorithm}-${createHash(algorithm).update(of).digest('base64')}`
const shasum = createHash('sha1').update(bytes).digest('hex')
const other = Buffer.from('another')

describe('what a tarball must be', () => {
  test.each([
    ['the strongest', { integrity: `${hash('sha1')} ${hash('sha512')}` }, hash('sha512')],
    ['before a shasum', { integrity: hash('sha512'), shasum: 'f'.repeat(40) }, hash('sha512')],
    ['sha384', { integrity: `${hash('sha256')} ${hash('sha384')}` }, hash('sha384')],
    ['with options', { integrity: `${hash('sha512')}?a=b` }, hash('sha512')],
    [
      'all of the strongest',
      { integrity: `${hash('sha512')} ${hash('sha512', other)}` },
      `${hash('sha512')} ${hash('sha512', other)}`,
    ],
    ['an old one by its shasum', { shasum }, hash('sha1')],
    ['in capitals', { shasum: shasum.toUpperCase() }, hash('sha1')],
    ['an old integrity', { integrity: hash('sha1') }, hash('sha1')],
    ['no hash', {}, undefined],
    ['junk', { integrity: 'junk', shasum: 'junk' }, undefined],
    ['md5 is none', { integrity: hash('md5') }, undefined],
    ['not text', { integrity: 7, shasum: {} }, undefined],
    ['too long', { integrity: `${hash('sha512')} `.repeat(100) }, undefined],
  ])('%s', (_what, dist, expected) => {
    expect(expectedIntegrity(dist)).toBe(expected)
  })
})

describe('a mismatch', () => {
  test('is none for the right bytes, in every algorithm', () => {
    for (const algorithm of ['sha512', 'sha384', 'sha256', 'sha1']) {
      expect(mismatch(bytes, hash(algorithm))).toBeUndefined()
    }
    expect(mismatch(bytes, `${hash('sha512', other)} ${hash('sha512')}`)).toBeUndefined()
  })

  test('says what the bytes are instead', () => {
    expect(mismatch(bytes, hash('sha512', other))).toBe(hash('sha512'))
    expect(mismatch(Buffer.alloc(0), hash('sha1'))).toBe(hash('sha1', Buffer.alloc(0)))
    expect(mismatch(bytes.subarray(1), hash('sha512'))).toBe(hash('sha512', bytes.subarray(1)))
  })

  test('is what a hash of the wrong length always is', () => {
    expect(mismatch(bytes, 'sha512-AAAA')).toBe(hash('sha512'))
    expect(mismatch(bytes, 'sha512-')).toBe(hash('sha512'))
  })
})
