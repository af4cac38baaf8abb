import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { parsePeerRange } from './p2p-range.ts'

const integrity = `sha512-${createHash('sha512').update('x').digest('base64')}`

test('a version with its hash is one', () => {
  expect(parsePeerRange(`p2p:1.2.3#${integrity}`)).toEqual({ version: '1.2.3', integrity })
  for (const version of ['1.0.0-rc.1', '1.0.0+build']) {
    expect(parsePeerRange(`p2p:${version}#${integrity}`)).toEqual({ version, integrity })
  }
})

test.each([
  ['a range', `p2p:^1.2.3#${integrity}`],
  ['a tag', `p2p:latest#${integrity}`],
  ['another spelling of the version', `p2p:v1.2.3#${integrity}`],
  ['no version', `p2p:#${integrity}`],
  ['no hash', 'p2p:1.2.3'],
  ['an empty one', 'p2p:1.2.3#'],
  ['a weaker one', 'p2p:1.2.3#sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
  ['a short one', `p2p:1.2.3#${integrity.replace(/...==$/, '==')}`],
  ['another spelling of the hash', `p2p:1.2.3#${integrity.replace(/.==$/, 'B==')}`],
  ['two hashes', `p2p:1.2.3#${integrity} ${integrity}`],
  ['more behind it', `p2p:1.2.3#${integrity}#${integrity}`],
  ['a binding', `p2p:1.2.3#${integrity}::locator=x`],
  ['another protocol', `npm:1.2.3#${integrity}`],
])('%s is none', (_what, range) => {
  expect(parsePeerRange(range)).toBeUndefined()
})
