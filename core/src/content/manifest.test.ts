import { describe, expect, test } from 'vitest'
import { digestOf } from './digest.ts'
import { describeBytes, manifestProblem } from './manifest.ts'

const bytes = Buffer.from('a tarball, say')
const { manifest } = describeBytes(digestOf(bytes), bytes, 1024 * 1024)

describe('a manifest', () => {
  test.for([
    ['size', { size: -1 }],
    ['size', { size: 1.5 }],
    ['size', { size: 2 ** 53 }],
    ['chunk size', { chunkSize: 65_535 }],
    ['chunk size', { chunkSize: 8 * 1024 * 1024 }],
    ['chunks', { chunkSize: 65_536, size: 65_536 * 65_536 + 1 }],
    ['root', { root: new Uint8Array(31) }],
    ['digest', { digest: 'sha512-short' as typeof manifest.digest }],
  ] as const)('with a bad %s is refused: %j', ([what, change]) => {
    const bad = { ...manifest, ...change }
    expect(manifestProblem(bad)).toContain(what)
  })

  test('of more than the caller takes is refused', () => {
    expect(manifestProblem(manifest, { maxBytes: 14 })).toBeUndefined()
    expect(manifestProblem(manifest, { maxBytes: 13 })).toContain('at most 13')
  })
})
