import { expect, test } from 'vitest'
import { keyIdFromBytes, type KeyId } from '@catalog-p2p/core'
import {
  parseTrustFile,
  TRUST_HEADER,
  withEntry,
  withoutEntries,
  type TrustEntry,
} from './trust-entries.ts'

const A = keyIdFromBytes(new Uint8Array(32).fill(1))
const B = keyIdFromBytes(new Uint8Array(32).fill(2))
const entryOf = (subject: string, id: KeyId, more: Partial<TrustEntry> = {}): TrustEntry => ({
  ...{ subject, kind: 'key', id, how: 'added', comment: '' },
  ...more,
})
const parse = (text: string): readonly TrustEntry[] => parseTrustFile(text, 'trust')

test('what is written is read back, and every other byte of the file stays', () => {
  const first = withEntry('', entryOf('@acme', A, { comment: 'Ada, by phone' }))
  expect(first).toBe(`${TRUST_HEADER}@acme  key  ${A}  # Ada, by phone\n`)
  const own = `# my notes\r\n\n  left-pad\tkey ${B.toUpperCase()}   first-use # seen first\n`
  const text = withEntry(own, entryOf('@acme', A, { kind: 'root' }))
  expect(text.startsWith(own)).toBe(true)
  expect(parse(text)).toEqual([
    entryOf('left-pad', B, { how: 'first-use', comment: 'seen first' }),
    entryOf('@acme', A, { kind: 'root' }),
  ])
  expect(withoutEntries(text, ({ subject }) => subject === '@acme')).toBe(own)
  expect(withoutEntries(text, ({ subject }) => subject === 'left-pad')).toBe(
    `# my notes\r\n\n@acme  root  ${A}\n`,
  )
})

test('an entry takes the place of what was said of the same publisher', () => {
  const text = withEntry('', entryOf('left-pad', A, { how: 'first-use' }))
  expect(parse(withEntry(text, entryOf('left-pad', A)))).toEqual([entryOf('left-pad', A)])
  expect(parse(withEntry(text, entryOf('left-pad', B)))).toHaveLength(2)
  expect(parse(withEntry(text.trimEnd(), entryOf('left-pad', B)))).toHaveLength(2)
})

test.each([
  ['nothing but a name', '@acme', 'expected "@scope key FINGERPRINT"'],
  ['a word that is none of ours', `@acme peer ${A}`, 'expected "@scope key FINGERPRINT"'],
  ['something behind it', `@acme key ${A} always`, 'expected "@scope key FINGERPRINT"'],
  ['a scope and a slash', `@acme/ key ${A}`, 'expected "@scope key FINGERPRINT"'],
  ['no name', `../x key ${A}`, 'expected "@scope key FINGERPRINT"'],
  ['a fingerprint that is none', '@acme key abc', "not a key's fingerprint"],
  ['a slip in a fingerprint', `@acme key ${A.replace(/^..../, '0000')}`, 'a slip in it'],
])('%s is refused with its line', (_, line, why) => {
  expect(() => parse(`# one\n${line}\n`)).toThrow(why)
  expect(() => parse(`# one\n${line}\n`)).toThrow('trust:2')
})
