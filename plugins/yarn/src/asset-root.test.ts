import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import { describeBytes } from '../../../core/src/content/manifest.ts'
import { hasRoot } from './asset-root.ts'

const KIB = 1024

test.each([
  ...[0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1024 * KIB, 1024 * KIB + 1].map(
    (size) => [size, 1024 * KIB] as const,
  ),
  ...[64, 128, 256, 512, 2048, 4096].map((size) => [5000 * KIB + 7, size * KIB] as const),
])('%i bytes in chunks of %i have the root that core gives them', (size, chunkSize) => {
  const bytes = randomBytes(size)
  const { manifest } = describeBytes(digestOf(bytes), bytes, chunkSize)
  const root = Buffer.from(manifest.root).toString('hex')
  expect(hasRoot(bytes, root)).toBe(true)
  expect(hasRoot(Buffer.concat([bytes, Buffer.alloc(1)]), root)).toBe(false)
  expect(
    hasRoot(
      bytes,
      root.replace(/^./, (first) => (first === '0' ? '1' : '0')),
    ),
  ).toBe(false)
})
