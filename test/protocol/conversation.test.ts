import { describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE, INTERESTING_SIZES } from '../support/blobs.ts'
import { readAll } from '../support/read-all.ts'
import { putEverywhereKnown, swarm } from '../support/swarm.ts'

describe('two nodes', () => {
  test.for(INTERESTING_SIZES)('an artifact of $size bytes ($why)', async ({ size }) => {
    await using world = await swarm(2, { options: { transfer: { chunkSize: CHUNK_SIZE } } })
    const { a, b } = world
    const { bytes, digest } = blob(size)
    await putEverywhereKnown(world, a, bytes)
    const artifact = await b.get(digest)
    expect(artifact.source).toBe('peer')
    expect(Buffer.compare(await readAll(artifact.body), bytes)).toBe(0)
    expect(b.has(digest)).toBe(true)
  })
})
