import { digestOf } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { revisionOf } from './network-packages.ts'

test('a revision can stand in a URL, whatever the hash is', () => {
  const digests = Array.from({ length: 100 }, (_, index) => digestOf(Buffer.from(`${index}`)))
  expect(digests.some((digest) => digest.slice(7, 15).includes('/'))).toBe(true)
  const revisions = digests.map((digest) => revisionOf([{ sequence: 4, digest }]))
  for (const each of revisions) expect(each).toMatch(/^4-[\w-]{8}$/)
  expect(new Set(revisions).size).toBe(digests.length)
})
