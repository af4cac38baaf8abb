/**
 * What a peer claims has no effect outside of itself until the digest has matched: it wins no race, evicts nothing, is given
 * to no reader, and keeps no other source from its turn. The liars here never end by themselves; a test that waits for one fails
 * by its deadline.
 */
import { describe, expect, test } from 'vitest'
import type { Origin } from '../api.ts'
import { blob, CHUNK_SIZE } from '../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { dribbling, serving, type Answering } from '../../../test/support/hostile-peer.ts'
import { createWorld, getBytes, originOf, type Node } from '../../../test/support/transfer-world.ts'
import { until } from '../../../test/support/until.ts'
import { Bitfield } from '../content/bitfield.ts'

const small = blob(40_000, 1)
const large = blob(20 * CHUNK_SIZE + 11, 2)
const never = new Promise<never>(() => undefined)

const onlyManifest: Answering = async (request, reply) => {
  if (request.type === 'want') await dribbling()(request, reply)
}
const LIARS: readonly (readonly [string, () => Answering])[] = [
  ['dribbles', () => dribbling()],
  ['falls silent after its manifest', () => onlyManifest],
]
const ARTIFACTS = [small, large]

/** Every byte, from where. */
async function getIntact(
  node: Node,
  artifact: typeof small,
  options: Parameters<typeof getBytes>[2] = {},
): Promise<string> {
  const got = await getBytes(node, artifact.digest, options)
  expect(Buffer.compare(got.bytes, artifact.bytes)).toBe(0)
  return got.source
}

describe.each(LIARS)('a liar that %s', (_, lie) => {
  test.each(ARTIFACTS)('beside an origin: it comes from the origin', async (artifact) => {
    const world = createWorld()
    await world.addPeer('liar', [artifact], lie())
    const node = await world.add('node')
    expect(await getIntact(node, artifact, { origin: originOf(artifact) })).toBe('origin')
    expect(node.store.has(artifact.digest)).toBe(true)
  })

  test.each(ARTIFACTS)('three of them beside an honest peer', async (artifact) => {
    const world = createWorld()
    for (const name of ['l1', 'l2', 'l3']) await world.addPeer(name, [artifact], lie())
    await (await world.add('honest')).put(artifact)
    const silent = { ...originOf(artifact), open: async () => never }
    for (const options of [{}, { origin: silent }]) {
      const node = await world.add(`node${options.origin ? '-with' : ''}`)
      expect(await getIntact(node, artifact, options)).toBe('peer')
    }
  })

  test('found out by what the origin gave, and not believed again', async () => {
    const world = createWorld()
    await world.addPeer('liar', ARTIFACTS, lie())
    const node = await world.add('node')
    await getIntact(node, small, { origin: originOf(small) })
    await until(() => node.bans.length > 0)
    expect(node.bans).toEqual(['liar'])
  })

  test('a node behind an honest one that downloads from it', async () => {
    const world = createWorld()
    for (const artifact of ARTIFACTS) {
      await world.addPeer(`liar-${artifact.bytes.byteLength}`, [artifact], lie())
      const between = await world.add(`between-${artifact.bytes.byteLength}`)
      const stop = new AbortController()
      const held = getBytes(between, artifact.digest, { signal: stop.signal }).catch(
        () => undefined,
      )
      await until(() => between.told.includes(`+${artifact.digest}`))
      const node = await world.add(`node-${artifact.bytes.byteLength}`)
      expect(await getIntact(node, artifact, { origin: originOf(artifact) })).toBe('origin')
      expect(node.bans).not.toContain(between.host.id)
      stop.abort(new Error('enough'))
      await held
    }
  })
})

describe('a liar with the true size that sends most of it at once, then nothing', () => {
  /** Cut otherwise than we do, so that its leaves are not those of the origin's. */
  const cut = 2 * CHUNK_SIZE
  const lie = (artifact: typeof small): Answering => {
    const size = artifact.bytes.byteLength
    const claim = dribbling({ size, chunkSize: cut, pause: async () => undefined })
    return async (request, reply) => {
      if (request.type === 'want' || request.index < Math.floor(size / cut)) {
        await claim(request, reply)
      }
    }
  }
  /** So many milliseconds from the first byte to the last. */
  function slowOrigin(clock: FakeClock, artifact: typeof small, totalMs: number) {
    const seen = { openedMs: [] as number[], endedMs: 0 }
    const piece = Math.ceil(artifact.bytes.byteLength / 40)
    const origin: Origin = {
      visibility: 'public',
      async open() {
        seen.openedMs.push(clock.now())
        const body = (async function* () {
          for (let at = 0; at < artifact.bytes.byteLength; at += piece) {
            await clock.sleep(totalMs / 40)
            yield artifact.bytes.subarray(at, at + piece)
          }
          seen.endedMs = clock.now()
        })()
        return { body, size: artifact.bytes.byteLength }
      },
    }
    return { origin, seen }
  }

  test.each([large, blob(3 * CHUNK_SIZE, 3)])(
    'the origin begins early, is read once, and the liar is not believed again',
    async (artifact) => {
      const clock = createFakeClock()
      const world = createWorld(clock)
      await world.addPeer('liar', [artifact], lie(artifact))
      const node = await world.add('node', { chunkSize: 4 * CHUNK_SIZE })
      const { origin, seen } = slowOrigin(clock, artifact, 2_000)
      const got = getIntact(node, artifact, { origin })
      const mostBytes = Math.floor(artifact.bytes.byteLength / cut) * cut
      // What is hashed takes a time of its own: the clock stands still meanwhile.
      await until(() => node.store.usage().partialBytes === mostBytes)
      await clock.advanceUntil(() => seen.endedMs > 0, { maxMs: 20_000 })
      expect(await got).toBe('origin')
      expect(seen.openedMs).toHaveLength(1)
      expect(seen.openedMs[0]).toBeLessThan(200)
      expect(seen.endedMs).toBeLessThan(2_500)
      await until(() => node.scores.isBackedOff('liar') || node.scores.isBanned('liar'))
      if (artifact !== large) expect(node.bans).toEqual(['liar'])
    },
  )
})

test('ids that have shown nothing push out no slow peer that has been honest, nor get its readers', async () => {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const serve = serving(large.bytes, CHUNK_SIZE)
  let turn = Promise.resolve()
  await world.addPeer('honest', [large], async (request, reply) => {
    if (request.type === 'want') return await serve(request, reply)
    turn = turn.then(async () => clock.sleep(4_000))
    void turn.then(async () => serve(request, reply)).catch(() => undefined)
  })
  const sent = 16
  for (const extra of [1, 2, 3, 4]) {
    const size = large.bytes.byteLength + extra
    const claim = dribbling({ size, pause: async () => undefined })
    await world.addPeer(`liar ${extra}`, [large], async (request, reply) => {
      if (request.type === 'want' || request.index < sent) await claim(request, reply)
    })
  }
  const node = await world.add('node')
  node.scores.answered('honest', { answerMs: 1, bytes: 1 })
  let isOver = false
  const got = getIntact(node, large).finally(() => (isOver = true))
  got.catch(() => undefined) // it is awaited below
  await until(() => node.store.usage().partialBytes >= 3 * sent * CHUNK_SIZE)
  await clock.advanceUntil(() => isOver, { maxMs: 200_000, stepMs: 50 })
  expect(await got).toBe('peer')
})

test('peers that leave free their places for others that claim the same', async () => {
  const world = createWorld()
  const serve = serving(large.bytes, CHUNK_SIZE)
  const names = Array.from({ length: 30 }, (_, index) => `holder ${index}`)
  const everyone = Promise.withResolvers<void>()
  const leaving = new Set<string>()
  let wants = 0
  for (const name of names) {
    await world.addPeer(name, [large], async (request, reply) => {
      if (request.type === 'want') {
        await serve(request, reply)
        if (++wants === names.length) everyone.resolve()
        return
      }
      // The first eight say that they have it no longer, once all the others have claimed it too.
      if (leaving.size < 8) leaving.add(name)
      if (!leaving.has(name)) return await serve(request, reply)
      await everyone.promise
      await reply.send({ type: 'status', id: request.id, status: 'not-found' })
    })
  }
  expect(await getIntact(await world.add('node'), large)).toBe('peer')
})

describe('an honest peer', () => {
  test('that passes on what a liar answers for is not held to be one', async () => {
    const world = createWorld()
    const wanted = Array.from({ length: 3 }, (_, seed) => blob(40_000, 20 + seed))
    const claim = dribbling()
    await world.addPeer('relay', wanted, async (request, { send, stream }) => {
      if (request.type !== 'want') return
      const some = async (...answers: Parameters<typeof send>): Promise<void> => {
        const [manifest] = answers
        if (manifest === undefined || !('type' in manifest) || manifest.type !== 'manifest') return
        await send({ ...manifest, present: new Bitfield(1024) })
      }
      await claim(request, { send: some, stream })
    })
    const node = await world.add('node')
    for (const [index, artifact] of wanted.entries()) {
      await world.addPeer(`liar ${index}`, [artifact], onlyManifest)
      const claimed = until(() => node.bans.includes(`liar ${index}`))
      await getIntact(node, artifact, { origin: originOf(artifact) })
      await claimed
    }
    expect(node.bans).toEqual(['liar 0', 'liar 1', 'liar 2'])
  })

  test('that is quick gives a large artifact and the origin is not asked', async () => {
    const world = createWorld(createFakeClock()) // it stands still: no source has been waited for
    await (await world.add('honest')).put(large)
    const node = await world.add('node')
    const origin = originOf(large)
    expect(await getIntact(node, large, { origin })).toBe('peer')
    expect(origin.opened).toBe(0)
  })

  test('whose claim another source outran is not taken for a liar', async () => {
    const world = createWorld()
    const serve = serving(large.bytes, CHUNK_SIZE)
    await world.addPeer('slow', [large], async (request, reply) => {
      if (request.type === 'want') await serve(request, reply)
    })
    const node = await world.add('node')
    expect(await getIntact(node, large, { origin: originOf(large) })).toBe('origin')
    expect(node.bans).toEqual([])
  })
})

describe('the store', () => {
  test('a false manifest evicts nothing', async () => {
    const world = createWorld()
    const wanted = blob(20_000, 5)
    await world.addPeer('liar', [wanted], dribbling({ size: 64 * CHUNK_SIZE }))
    const node = await world.add('node', {}, { quotaBytes: 64 * CHUNK_SIZE })
    const held = Array.from({ length: 60 }, (_, seed) => blob(CHUNK_SIZE, 100 + seed))
    for (const artifact of held) await node.put(artifact)
    await getIntact(node, wanted, { origin: originOf(wanted) })
    expect(held.filter(({ digest }) => node.store.has(digest))).toHaveLength(60)
  })
})
