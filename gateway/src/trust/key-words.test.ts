import { expect, test } from 'vitest'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { wordsOf } from './key-words.ts'

test('a fingerprint has twelve words, as BIP-39 has them', () => {
  // The first two vectors of https://github.com/trezor/python-mnemonic/blob/master/vectors.json
  expect(wordsOf(keyIdFromBytes(new Uint8Array(32)))).toBe(`${'abandon '.repeat(11)}about`)
  expect(wordsOf(keyIdFromBytes(new Uint8Array(32).fill(0x7f)))).toBe(
    'legal winner thank year wave sausage worth useful legal winner thank yellow',
  )
})
