import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createChecker, sha512Of, expectedOf } from './integrity.ts'

const bytes = Buffer.from('the bytes of a tarball')
const hashOf = (algorithm: string): string => createHash(algorithm).update(bytes).digest('base64')
const sha512 = `sha512-${hashOf('sha512')}`
const sha1 = `sha1-${hashOf('sha1')}`
const shasum = createHash('sha1').update(bytes).digest('hex')
const wrong = `sha512-${createHash('sha512').update('something else').digest('base64')}`

function accepts(integrity: unknown, sum: unknown, content: Buffer = bytes): boolean | undefined {
  const expected = expectedOf(integrity, sum)
  if (expected === undefined) return undefined
  const checker = createChecker(expected)
  checker.update(content.subarray(0, 5))
  checker.update(content.subarray(5))
  return checker.matches()
}

describe('what a tarball must hash to', () => {
  test.each([
    ['sha512', sha512, undefined],
    ['sha512 and a shasum of something else', sha512, '0'.repeat(40)],
    ['sha512 with options, among others', `${sha1} ${sha512}?vcs=git`, undefined],
    ['either of two sha512', `${wrong} ${sha512}`, undefined],
    ['sha384', `sha384-${hashOf('sha384')}`, undefined],
    ['sha1 in integrity', sha1, undefined],
    ['shasum alone', undefined, shasum],
    ['shasum in capitals', undefined, shasum.toUpperCase()],
    ['shasum, when integrity is nonsense', 'sha512-short', shasum],
  ])('%s: takes these bytes and no others', (_, integrity, sum) => {
    expect(accepts(integrity, sum)).toBe(true)
    expect(accepts(integrity, sum, Buffer.from('others'))).toBe(false)
  })

  test('the strongest hash decides', () => {
    expect(accepts(`${wrong} ${sha1}`, shasum)).toBe(false)
  })

  test.each([
    ['nothing', undefined, undefined],
    ['unknown algorithm', 'md5-1B2M2Y8AsgTpgAmY7PhCfg==', undefined],
    ['no text', { sha512: 'x' }, 1234],
    ['shasum of another length', '', shasum.slice(1)],
  ])('%s: nothing to check by', (_, integrity, sum) => {
    expect(expectedOf(integrity, sum)).toBeUndefined()
  })
})

test('peers are asked by one sha512 only', () => {
  const digest = (integrity: unknown, sum?: unknown): string | undefined => {
    const expected = expectedOf(integrity, sum)
    return expected && sha512Of(expected)
  }
  expect(digest(`${sha1} ${sha512}`)).toBe(sha512)
  expect(digest(`${wrong} ${sha512}`)).toBeUndefined()
  expect(digest(undefined, shasum)).toBeUndefined()
})
