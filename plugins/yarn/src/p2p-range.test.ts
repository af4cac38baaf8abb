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

const root = createHash('sha256').update('x').digest('hex')

test('an Asset ID is one', () => {
  for (const name of ['paint', '@acme/paint']) {
    for (const version of ['1.2.3', '1.0.0-rc.1', '1.0.0+build']) {
      const range = `p2p:catalog:${name}@${version}:${root}`
      expect(parsePeerRange(range)).toEqual({ version, name, root })
    }
  }
})

test.each([
  ['an Asset ID without a version', `p2p:catalog:paint:${root}`],
  ['one of a range', `p2p:catalog:paint@^1.2.3:${root}`],
  ['one with another spelling of the version', `p2p:catalog:paint@v1.2.3:${root}`],
  ['one with a short root', `p2p:catalog:paint@1.2.3:${root.slice(1)}`],
  ['one in capitals', `p2p:catalog:paint@1.2.3:${root.toUpperCase()}`],
  ['one with a hash as well', `p2p:catalog:paint@1.2.3:${root}#${integrity}`],
  ['one with more behind it', `p2p:catalog:paint@1.2.3:${root}:${root}`],
  ['one of a path', `p2p:catalog:a/b/c@1.2.3:${root}`],
  ['an Asset ID alone', `catalog:paint@1.2.3:${root}`],
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
