/** One peer that has it, and no origin that works: what its silence costs, and that a peer which hung up is asked again. */
import { describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE, type Blob } from '../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { answering, serving, type Answering } from '../../../test/support/hostile-peer.ts'
import {
  brokenOrigin,
  createWorld,
  getBytes,
  isDown,
  originOf,
  searchNoFurther,
  type Node,
  type World,
} from '../../../test/support/transfer-world.ts'
import { readAll } from '../../../test/support/read-all.ts'
import { CatalogError } from '../errors.ts'
import { encodeAnswer, TRANSFER_PROTOCOL } from '../wire/transfer-messages.ts'

const small = blob(40_000, 1)
const large = blob(20 * CHUNK_SIZE + 11, 2)
/** Less than any client waits for an answer. */
const MAX_WAIT_MS = 25_000
const never = new Promise<void>(() => undefined)
/** Nothing happens but that time passes. */
const COARSE = { stepMs: 250, restMs: 0 }
/** The hash thread knows nothing of this clock. */
const HASHING = { stepMs: 50, restMs: 5 }

interface Lonely {
  readonly clock: FakeClock
  readonly world: World
  readonly asker: Node
  readonly asked: { readonly type: string; readonly index: number; readonly atMs: number }[]
}

/** An asker, and a peer that answers as told; `world.network` knows it as 'holder'. */
async function lonely(artifact: Blob, answer: Answering): Promise<Lonely> {
  const clock = createFakeClock()
  const world = createWorld(clock)
  const [asker, holder] = [await world.add('asker'), await world.add('holder')]
  searchNoFurther(asker)
  await holder.put(artifact)
  // What takes real time, beforehand: the hash thread.
  await getBytes(asker, other.digest, { origin: originOf(other) })
  const asked: Lonely['asked'][number][] = []
  const behaviour = answering(async (request, reply) => {
    const index = 'index' in request ? request.index : -1
    asked.push({ type: request.type, index, atMs: clock.now() })
    await answer(request, reply)
  })
  holder.host.handle(TRANSFER_PROTOCOL, behaviour, { maxStreamsPerPeer: 8 })
  return { clock, world, asker, asked }
}
const other = blob(2 * CHUNK_SIZE, 3)

/** How it ended, and after how long. */
async function ending<T>(
  clock: FakeClock,
  promise: Promise<T>,
  maxMs: number,
  { stepMs, restMs } = { stepMs: 50, restMs: 1 },
): Promise<{ value?: T; error?: unknown; tookMs: number }> {
  const outcome: { value?: T; error?: unknown } = {}
  let isOver = false
  promise
    .then(
      (value) => (outcome.value = value),
      (error: unknown) => (outcome.error = error),
    )
    .finally(() => (isOver = true))
  const startedMs = clock.now()
  const endedMs = { at: startedMs }
  while (!isOver) {
    if (clock.now() - startedMs > maxMs) throw new Error(`not over after ${maxMs} ms`)
    await clock.advance(stepMs)
    await new Promise((resolve) => setTimeout(resolve, restMs))
    endedMs.at = clock.now()
  }
  return { ...outcome, tookMs: endedMs.at - startedMs }
}

describe('silence', () => {
  const silent: Answering = async () => never
  const onlyManifest: Answering = async (request, reply) => {
    if (request.type === 'want') await serving(large.bytes, CHUNK_SIZE)(request, reply)
  }

  test.each([
    ['of a small artifact', small, silent],
    ['of a large one', large, silent],
    ['of a large one, after its manifest', large, onlyManifest],
  ])('%s ends the request before any client gives up', async (_, artifact, answer) => {
    for (const origin of [brokenOrigin(isDown), undefined]) {
      const { clock, asker } = await lonely(artifact, answer)
      const getting = getBytes(asker, artifact.digest, origin ? { origin } : {})
      const { error, tookMs } = await ending(clock, getting, 90_000, COARSE)
      expect(error).toMatchObject({ code: origin ? 'UPSTREAM_UNREACHABLE' : 'NO_PROVIDERS' })
      expect(tookMs).toBeLessThan(MAX_WAIT_MS)
      expect(tookMs).toBeGreaterThan(10_000) // a pause is no silence
    }
  })

  test('many requests end with the first, also those that wait for their turn', async () => {
    const { clock, asker } = await lonely(small, silent)
    const artifacts = Array.from({ length: 150 }, (_, seed) => blob(1_000, 100 + seed))
    for (const { digest } of artifacts) asker.discovery.announce(digest)
    Object.assign(asker.discovery, { holders: () => ['holder'] })
    const origin = brokenOrigin(isDown)
    const all = Promise.allSettled(
      artifacts.map(async ({ digest }) => asker.transfer.get(digest, { origin })),
    )
    const { value, tookMs } = await ending(clock, all, 90_000, COARSE)
    expect(new Set(value?.map(({ status }) => status))).toEqual(new Set(['rejected']))
    expect(tookMs).toBeLessThan(MAX_WAIT_MS)
  })

  test('a slow answer is none, however long it takes', async () => {
    const { clock, asker } = await lonely(small, async ({ id }, { stream }) => {
      const size = small.bytes.byteLength
      const about = { chunkSize: CHUNK_SIZE, leaves: new Uint8Array(0), present: undefined }
      const frames = Buffer.concat([
        encodeAnswer({ type: 'manifest', id, size, ...about }),
        encodeAnswer({ type: 'chunk', id, index: 0, encoding: 'none', bytes: small.bytes }),
      ])
      for (let at = 0; at < frames.byteLength; at += 4_000) {
        await stream.write(frames.subarray(at, at + 4_000))
        await clock.sleep(12_000)
      }
    })
    const origin = brokenOrigin(isDown)
    const { value, tookMs } = await ending(
      clock,
      getBytes(asker, small.digest, { origin }),
      200_000,
      COARSE,
    )
    expect(value?.source).toBe('peer')
    expect(tookMs).toBeGreaterThan(100_000)
  })
})

describe('hanging up', () => {
  /** Serves, but for the first `times` answers hangs up in the middle. */
  function hangingUp(artifact: Blob, times: number): Answering {
    const serve = serving(artifact.bytes, CHUNK_SIZE)
    let hungUp = 0
    return async (request, reply) => {
      if (hungUp >= times) return await serve(request, reply)
      hungUp++
      await reply.stream.write(Buffer.of(0, 0, 1, 0, 17))
      reply.stream.abort(new Error('power cut'))
    }
  }

  test('in the middle of a small artifact: it is asked again, and that is soon', async () => {
    for (const origin of [brokenOrigin(isDown), undefined]) {
      const { clock, asker, asked } = await lonely(small, hangingUp(small, 3))
      const getting = getBytes(asker, small.digest, origin ? { origin } : {})
      const { value, tookMs } = await ending(clock, getting, 20_000)
      expect(value?.source).toBe('peer')
      expect(asked).toHaveLength(4)
      expect(tookMs).toBeLessThan(5_000)
    }
  })

  test('again and again: a bounded number of times', async () => {
    for (const artifact of [small, large]) {
      const { clock, asker, asked } = await lonely(artifact, hangingUp(artifact, Infinity))
      const origin = brokenOrigin(isDown)
      const getting = asker.transfer.get(artifact.digest, { origin })
      const { error, tookMs } = await ending(clock, getting, 60_000)
      expect(error).toBe(isDown)
      expect(asked).toHaveLength(4)
      expect(tookMs).toBeLessThan(10_000)
    }
  })

  test('while an origin says nothing: it is asked again beside it', async () => {
    const { clock, asker } = await lonely(small, hangingUp(small, 2))
    const origin = { ...originOf(small), open: async () => new Promise<never>(() => undefined) }
    const getting = getBytes(asker, small.digest, { origin })
    const { value, tookMs } = await ending(clock, getting, 20_000)
    expect(value?.source).toBe('peer')
    expect(tookMs).toBeLessThan(5_000)
  })

  test('a busy one is left in peace while an origin may still answer, but not for ever', async () => {
    let asked = 0
    const { clock, asker } = await lonely(small, async ({ id }, reply) => {
      if (++asked < 4) await reply.send({ type: 'status', id, status: 'busy' })
      else await serving(small.bytes, CHUNK_SIZE)({ type: 'want', id, digest: small.digest }, reply)
    })
    const origin = { ...originOf(small), open: async () => new Promise<never>(() => undefined) }
    const getting = getBytes(asker, small.digest, { origin })
    await clock.advance(3_000)
    expect(asked).toBe(1)
    const { value, tookMs } = await ending(clock, getting, 20_000)
    expect(value?.source).toBe('peer')
    expect(tookMs).toBeLessThan(3_000)
  })

  test('with an origin that works: that one is asked, at once', async () => {
    for (const artifact of [small, large]) {
      const { asker, asked } = await lonely(artifact, hangingUp(artifact, Infinity))
      const origin = originOf(artifact)
      // The clock stands still: there is no pause to wait for.
      const got = await getBytes(asker, artifact.digest, { origin })
      expect(got.source).toBe('origin')
      expect(asked).toHaveLength(1)
    }
  })

  test('when the registry says that there is no such thing: that is the answer, at once', async () => {
    const { asker, asked } = await lonely(small, hangingUp(small, Infinity))
    const refusal = new CatalogError('UPSTREAM_REJECTED', '404')
    const getting = asker.transfer.get(small.digest, { origin: brokenOrigin(refusal) })
    await expect(getting).rejects.toBe(refusal)
    expect(asked).toHaveLength(1)
  })

  /** Sends `each` chunks on every stream, then hangs up. */
  function inParts(each: number, delayMs: () => Promise<void>): Answering {
    const serve = serving(large.bytes, CHUNK_SIZE)
    const sent = new WeakMap<object, number>()
    return async (request, reply) => {
      if (request.type === 'want') return await serve(request, reply)
      const count = sent.get(reply.stream) ?? 0
      if (count >= each) return reply.stream.abort(new Error('power cut'))
      sent.set(reply.stream, count + 1)
      await delayMs()
      await serve(request, reply)
    }
  }

  test('in the middle of a large one, many times: it goes on from what has been verified', async () => {
    for (const origin of [brokenOrigin(isDown), undefined]) {
      const { clock, asker, asked } = await lonely(
        large,
        inParts(2, async () => undefined),
      )
      const getting = getBytes(asker, large.digest, origin ? { origin } : {})
      const { value } = await ending(clock, getting, 60_000, HASHING)
      expect(value?.source).toBe('peer')
      expect(Buffer.compare(value?.bytes ?? Buffer.of(), large.bytes)).toBe(0)
      const wants = asked.filter(({ type }) => type === 'want')
      expect(wants.length).toBeLessThanOrEqual(2)
    }
  })

  test('after readers have begun, with an origin that is down: it goes on from the peer', async () => {
    const clocks: FakeClock[] = []
    const slow = async (): Promise<void> => clocks[0]?.sleep(900)
    const artifact = blob(30 * CHUNK_SIZE, 5)
    const serve = serving(artifact.bytes, CHUNK_SIZE)
    let hungUp = 0
    const { clock, asker } = await lonely(artifact, async (request, reply) => {
      if (request.type === 'want-chunk') await slow()
      if (request.type === 'want-chunk' && request.index >= 24 && hungUp < 3) {
        hungUp++
        return reply.stream.abort(new Error('power cut'))
      }
      await serve(request, reply)
    })
    clocks.push(clock)
    const origin = brokenOrigin(isDown)
    const reading = (async () => {
      const { body } = await asker.transfer.get(artifact.digest, { origin })
      const startedMs = clock.now()
      return { bytes: await readAll(body), startedMs }
    })()
    const { value, error, tookMs } = await ending(clock, reading, 120_000, HASHING)
    expect(error).toBeUndefined()
    expect(hungUp).toBe(3)
    expect(value?.startedMs).toBeLessThan(tookMs - 3_000)
    expect(Buffer.compare(value?.bytes ?? Buffer.of(), artifact.bytes)).toBe(0)
  })
})

describe('a holder with a low upload limit', () => {
  test.each([
    ['one asker', 1, 3_000],
    ['four askers', 4, 12_000],
  ])('%s: a chunk takes longer than silence may, and all of it comes', async (_, count, rate) => {
    const clock = createFakeClock()
    const world = createWorld(clock)
    const holder = await world.add('holder', { uploadRate: rate })
    await holder.put(large)
    await holder.store.describe(large.digest)
    const askers = await Promise.all(
      Array.from({ length: count }, async (__, index) => world.add(`asker-${index}`)),
    )
    for (const asker of askers) searchNoFurther(asker)
    const all = Promise.all(askers.map(async (asker) => getBytes(asker, large.digest)))
    const { value, error, tookMs } = await ending(clock, all, 700_000, { stepMs: 250, restMs: 2 })
    expect(error).toBeUndefined()
    expect(tookMs).toBeGreaterThan(100_000) // four of them have parts from each other
    for (const got of value ?? []) expect(Buffer.compare(got.bytes, large.bytes)).toBe(0)
  })
})
