/** What an artifact tells of how it came. */
import { expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../test/support/blobs.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { serving } from '../../../test/support/hostile-peer.ts'
import {
  brokenOrigin,
  createWorld,
  isDown,
  originOf,
  searchNoFurther,
} from '../../../test/support/transfer-world.ts'
import { readAll } from '../../../test/support/read-all.ts'

const small = blob(40_000, 1)
const large = blob(20 * CHUNK_SIZE + 11, 2)

test.each([small, large])('who gave it, and that nobody else was asked', async (artifact) => {
  const world = createWorld()
  const [a, b] = [await world.add('a'), await world.add('b')]
  await b.put(artifact)
  const got = await a.transfer.get(artifact.digest, { origin: brokenOrigin(isDown) })
  await readAll(got.body)
  expect(got.course).toMatchObject({ asked: 1, late: 0, failed: 0, givers: ['b'] })
  const again = await a.transfer.get(artifact.digest, {})
  await readAll(again.body)
  expect([again.source, again.course]).toEqual(['store', undefined])
})

test('a peer that was late, and the origin that was asked because of it', async () => {
  const world = createWorld()
  const [a, b] = [await world.add('a'), await world.add('b')]
  searchNoFurther(a)
  await b.put(small)
  world.network.silence('b')
  const got = await a.transfer.get(small.digest, { origin: originOf(small) })
  expect(got.source).toBe('origin')
  expect(got.course).toMatchObject({ asked: 1, late: 1, givers: [] })
  expect(got.course?.originAfterMs).toBeGreaterThan(0)
  world.network.unsilence('b')
})

test('a peer that was late is asked once, and gives it all the same', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const a = await world.add('a')
  searchNoFurther(a)
  const answer = Promise.withResolvers<void>()
  let asked = 0
  await world.addPeer('b', [small], async (request, reply) => {
    asked += 1
    await answer.promise
    await serving(small.bytes, CHUNK_SIZE)(request, reply)
  })
  const origin = originOf(small, { gate: new Promise(() => undefined) })
  const getting = a.transfer.get(small.digest, { origin })
  for (let times = 0; times < 20 && origin.opened === 0; times += 1) await clock.advance(50)
  expect(origin.opened).toBe(1)
  answer.resolve()
  const got = await getting
  expect([got.source, asked]).toEqual(['peer', 1])
  expect(got.course).toMatchObject({ asked: 1, late: 1, failed: 0, givers: ['b'] })
})
