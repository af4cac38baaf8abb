import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { requireUnpackedSize } from './unpacked-size.ts'

const packed = gzipSync(Buffer.alloc(1_000_000))

test('what unpacks to as much as it may is accepted', async () => {
  await expect(requireUnpackedSize(packed, 1_000_000)).resolves.toBeUndefined()
})

test.each([
  ['a byte more', packed, 999_999, /more than 999999 bytes/],
  ['a second part behind the first', Buffer.concat([packed, packed]), 1_500_000, /more than/],
  ['a gzip that is cut off', packed.subarray(0, 100), 1_000_000, /unexpected end/],
  ['no gzip', Buffer.from('package.json'), 1_000_000, /header/],
])('%s is not', async (_what, archive, maxBytes, words) => {
  await expect(requireUnpackedSize(archive, maxBytes)).rejects.toThrow(words)
})
