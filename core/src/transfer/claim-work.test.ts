/** What a claim costs this node before it is proven: no hashing of its leaves on the thread that serves everybody. */
import { expect, test, vi } from 'vitest'
import { blob } from '../../../test/support/blobs.ts'
import { dribbling } from '../../../test/support/hostile-peer.ts'
import { createWorld, getBytes, originOf } from '../../../test/support/transfer-world.ts'
import { until } from '../../../test/support/until.ts'
import { merkleRoot } from '../content/merkle.ts'

vi.mock(import('../content/merkle.ts'), async (importOriginal) => {
  const original = await importOriginal()
  return { ...original, merkleRoot: vi.fn(original.merkleRoot) }
})

test('the leaves of a claim are not hashed, however many there are and however often it is made', async () => {
  const world = createWorld()
  const wanted = Array.from({ length: 5 }, (_, seed) => blob(20_000, seed))
  let claims = 0
  const claim = dribbling({ size: 4096 * 64 * 1024 })
  await world.addPeer('liar', wanted, async (request, reply) => {
    if (request.type === 'want') claims++
    await claim(request, reply)
  })
  const node = await world.add('node')
  expect(merkleRoot(Buffer.alloc(64))).toHaveLength(32) // it is counted
  expect(merkleRoot).toHaveBeenCalledTimes(1)
  const gate = until(() => claims > 0)
  const got = await Promise.all(
    wanted.map(async (each) => getBytes(node, each.digest, { origin: originOf(each, { gate }) })),
  )
  expect(got.map(({ source }) => source)).toEqual(wanted.map(() => 'origin'))
  await until(() => node.bans.length > 0)
  expect(merkleRoot).toHaveBeenCalledTimes(1)
})
