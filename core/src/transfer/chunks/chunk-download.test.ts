/** Chunks of one artifact from peers that are what the test says, on a clock that stands still. */
import { describe, expect, test } from 'vitest'
import { CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import { CatalogError, isCatalogError, type ErrorCode } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Assembly } from './assembly.ts'
import { createBulkSlots } from './bulk-slots.ts'
import { createChunkPool } from './chunk-pool.ts'
import { downloadChunks } from './chunk-download.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import { createPeerScores } from '../peer-score.ts'
import { createRateLimit, unlimited, type RateLimit } from '../rate-limit.ts'
import type { RequestStream } from '../asking/request-stream.ts'

const digest = digestOf(Buffer.from('an artifact'))
const otherDigest = digestOf(Buffer.from('another'))
const withCode = (code: ErrorCode) =>
  expect.toSatisfy((error: unknown) => isCatalogError(error, code))

type Behaviour = (index: number, signal: AbortSignal) => Promise<'good' | 'bad'>

interface World {
  readonly clock: FakeClock
  readonly received: Map<PeerId, number>
  readonly asked: { peer: PeerId; index: number; atMs: number }[]
  readonly scores: ReturnType<typeof createPeerScores>
  readonly banned: PeerId[]
  readonly late: PeerId[]
  readonly credited: Map<PeerId, number>
  readonly slots: ReturnType<typeof createBulkSlots>
  readonly has: Set<number>
  readonly throttled: Set<PeerId>
  run(options?: { signal?: AbortSignal; from?: number }): Promise<unknown>
  join(peer: PeerId): void
}

function createWorld(
  chunks: number,
  behaviours: Record<PeerId, Behaviour>,
  options: {
    limit?: (clock: FakeClock) => RateLimit
    places?: number
    join?: PeerId[]
    spares?: PeerId[]
    shared?: PeerId[]
    chunkSize?: number
  } = {},
): World {
  const clock = createFakeClock()
  const received = new Map<PeerId, number>()
  const asked: World['asked'] = []
  const banned: PeerId[] = []
  const late: PeerId[] = []
  const credited = new Map<PeerId, number>()
  const real = createPeerScores(clock, (peer) => banned.push(peer))
  const recordTimeout = (peer: PeerId): void => (late.push(peer), real.recordTimeout(peer))
  const scores = { ...real, recordTimeout }
  const slots = createBulkSlots(options.places ?? 10)
  const limit = options.limit?.(clock) ?? unlimited
  const has = new Set<number>()
  const throttled = new Set<PeerId>()
  const verified = Promise.withResolvers<void>()
  const { chunkSize = CHUNK_SIZE } = options
  const size = chunks * chunkSize
  const good = Buffer.alloc(1)
  const bad = Buffer.alloc(2)
  const assembly: Partial<Assembly> = {
    geometry: { digest, size, chunkSize },
    chunks,
    has: (index) => has.has(index),
    async add(index, bytes) {
      if (bytes === bad) return false
      has.add(index)
      return true
    },
    verified: verified.promise,
  }
  const links: Partial<PeerLinks> = {
    receivedBytes: (peer) => received.get(peer) ?? 0,
    isThrottled: (peer) => throttled.has(peer),
    async stream(peer) {
      const stream: Partial<RequestStream> = {
        async wantChunk(_, { index }, { signal }) {
          asked.push({ peer, index, atMs: clock.now() })
          const outcome = await behaviours[peer]?.(index, signal)
          received.set(peer, (received.get(peer) ?? 0) + CHUNK_SIZE)
          return outcome === 'good' ? good : bad
        },
      }
      return stream as RequestStream
    },
  }
  const spares = options.spares ?? []
  let listener: ((peer: PeerId, has: undefined) => void) | undefined
  const peers = {
    onPeer(added: (peer: PeerId, has: ((index: number) => boolean) | undefined) => void) {
      listener = added
      for (const peer of options.join ?? Object.keys(behaviours)) added(peer, undefined)
    },
    left() {
      const spare = spares.shift()
      if (spare !== undefined) listener?.(spare, undefined)
    },
    isShared: (peer: PeerId) => options.shared?.includes(peer) === true,
    get hasSpares() {
      return spares.length > 0
    },
  }
  const pool = createChunkPool({ chunkSize: 65_536, maxBytes: 0 })
  return {
    ...{ clock, received, asked, scores, banned, late, credited, slots, has, throttled },
    join: (peer) => listener?.(peer, undefined),
    run: async ({ signal = new AbortController().signal, from = 0 } = {}) =>
      downloadChunks(
        assembly as Assembly,
        peers,
        { links: links as PeerLinks, scores, clock, limitOf: () => limit, slots, pool },
        {
          leaves: Buffer.alloc(chunks * 32),
          present: [],
          from,
          onChunk: (peer, bytes) => credited.set(peer, (credited.get(peer) ?? 0) + bytes),
          signal,
        },
      ).catch((error: unknown) => error),
  }
}

/** Answers each chunk after so long. */
const after =
  (clock: () => FakeClock, ms: number): Behaviour =>
  async (_, signal) => {
    await clock().sleep(ms, signal)
    return 'good'
  }

/** One chunk after another, as a line carries them; one that is cancelled before its turn is not sent. */
function line(clock: () => FakeClock, ms: number): { behaviour: Behaviour; chunks: () => number } {
  let last: Promise<unknown> = Promise.resolve()
  let chunks = 0
  return {
    async behaviour(_, signal) {
      const mine = last.then(async () => {
        if (signal.aborted) return
        chunks += 1
        await clock().sleep(ms)
      })
      last = mine
      await mine
      signal.throwIfAborted()
      return 'good'
    },
    chunks: () => chunks,
  }
}

async function settle(world: World, running: Promise<unknown>, maxMs: number): Promise<unknown> {
  let outcome: { value: unknown } | undefined
  void running.then((value) => (outcome = { value }))
  await world.clock.advanceUntil(() => outcome !== undefined, { maxMs, stepMs: 10 })
  return outcome?.value
}

describe('downloadChunks', () => {
  test('every chunk comes, once, and every place is given back', async () => {
    const [a, b] = [line(() => world.clock, 20), line(() => world.clock, 30)]
    const world: World = createWorld(40, { a: a.behaviour, b: b.behaviour })
    expect(await settle(world, world.run(), 10_000)).toBeUndefined()
    expect(world.has.size).toBe(40)
    expect(a.chunks() + b.chunks()).toBe(40)
    expect(new Set(world.asked.map(({ peer }) => peer))).toEqual(new Set(['a', 'b']))
    expect(world.slots.taken('a') + world.slots.taken('b')).toBe(0)
    expect(world.clock.sleepers).toBe(0)
    // What they are worth, who knows: the score of a peer is for the candidate to give.
    expect(world.scores.receivedBytes('a')).toBe(0)
    expect((world.credited.get('a') ?? 0) + (world.credited.get('b') ?? 0)).toBe(40 * CHUNK_SIZE)
  })

  test('four peers on equal lines: no chunk travels twice, and all lines are busy to the end', async () => {
    const chunkMs = 170
    const four = ['a', 'b', 'c', 'd'].map(
      (name) => [name, line(() => world.clock, chunkMs)] as const,
    )
    const behaviours = Object.fromEntries(four.map(([name, { behaviour }]) => [name, behaviour]))
    const world: World = createWorld(101, behaviours, { chunkSize: 1024 * 1024 })
    const running = world.run()
    expect(await settle(world, running, 60_000)).toBeUndefined()
    const atBest = Math.ceil(101 / 4) * chunkMs
    const sent = four.reduce((sum, [, { chunks }]) => sum + chunks(), 0)
    expect(sent).toBeLessThanOrEqual(103)
    expect(world.clock.now()).toBeLessThanOrEqual(atBest + 2 * chunkMs)
  })

  test('a peer that many ask at once owes two chunks at most, and not the same ones as to others', async () => {
    const quick = line(() => world.clock, 1)
    const world: World = createWorld(20, { quick: quick.behaviour }, { shared: ['quick'] })
    const running = world.run({ from: 0.5 })
    await world.clock.advance(0)
    expect(world.asked.map(({ index }) => index)).toEqual([8, 9])
    expect(await settle(world, running, 10_000)).toBeUndefined()
    expect([world.has.size, quick.chunks()]).toEqual([20, 20])
  })

  test('a fast peer that leaves does not make those who stay look slow', async () => {
    const world: World = createWorld(2_600, {
      async leaving(_, signal) {
        await world.clock.sleep(200, signal)
        // After the first grace, with most of it delivered.
        if (world.clock.now() > 1_500) {
          world.received.delete('leaving')
          throw new CatalogError('PEER_UNREACHABLE', 'gone')
        }
        return 'good'
      },
      staying: after(() => world.clock, 250),
    })
    expect(await settle(world, world.run(), 60_000)).toBeUndefined()
    expect(world.has.size).toBe(2_600)
    expect(world.asked.filter(({ atMs }) => atMs > 2_500).length).toBeGreaterThan(100)
  })

  test('peers that stall are given up, and only those who owe us are blamed', async () => {
    const world: World = createWorld(40, {
      async silent(_, signal) {
        await world.clock.sleep(1e9, signal)
        return 'good'
      },
    })
    const error = await settle(world, world.run(), 21_000)
    expect(error).toEqual(withCode('PEER_TIMEOUT'))
    expect(world.late).toContain('silent')
    expect(world.banned).toEqual([])
    expect(world.slots.taken('silent')).toBe(0)
    expect(world.clock.sleepers).toBe(0)
  })

  test('one that says it is slow on purpose is waited for, but not for ever', async () => {
    for (const pauseMs of [100_000, 1e9]) {
      const world: World = createWorld(3, { slow: after(() => world.clock, pauseMs) })
      world.throttled.add('slow')
      const outcome = await settle(world, world.run(), 400_000)
      expect(outcome).toEqual(pauseMs < 1e9 ? undefined : withCode('PEER_TIMEOUT'))
    }
  })

  test('a chunk that does not match: the peer is banned, the chunk comes from another', async () => {
    const world: World = createWorld(8, {
      liar: async () => 'bad',
      good: after(() => world.clock, 10),
    })
    expect(await settle(world, world.run(), 10_000)).toBeUndefined()
    expect(world.banned).toEqual(['liar'])
    expect(world.has.size).toBe(8)
  })

  test('one that says BUSY is left alone for a while, then asked again; it is not late', async () => {
    let busy = 5
    const world: World = createWorld(4, {
      async a(_, signal) {
        await world.clock.sleep(10, signal)
        if (busy-- > 0) throw new CatalogError('PEER_BUSY', 'the peer is busy')
        return 'good'
      },
    })
    expect(await settle(world, world.run(), 20_000)).toBeUndefined()
    expect(world.late).toEqual([])
    const times = new Set(world.asked.map(({ atMs }) => atMs))
    expect(Math.max(...times)).toBeGreaterThanOrEqual(250)
    expect(world.asked.length).toBeLessThan(20)
  })

  test('one that has it no longer is not late, only left', async () => {
    const world: World = createWorld(4, {
      gone: async () => Promise.reject(new CatalogError('NOT_FOUND', 'the peer has not got it')),
      good: after(() => world.clock, 10),
    })
    expect(await settle(world, world.run(), 5_000)).toBeUndefined()
    expect(world.late).toEqual([])
  })

  test('nobody is left: NO_PROVIDERS, with the reason', async () => {
    const reason = new CatalogError('PEER_UNREACHABLE', 'reset')
    const world = createWorld(4, { a: async () => Promise.reject(reason) })
    const error = await settle(world, world.run(), 5_000)
    expect(error).toEqual(withCode('NO_PROVIDERS'))
    expect((error as Error).cause).toBe(reason)
  })

  test('one that hangs up is asked again, as often as it sends something between', async () => {
    const reset = new CatalogError('PEER_UNREACHABLE', 'reset')
    let freeAtMs = 0
    const world: World = createWorld(60, {
      async a(_, signal) {
        freeAtMs = Math.max(freeAtMs, world.clock.now()) + 40 // one after another
        await world.clock.sleep(freeAtMs - world.clock.now(), signal)
        if (Math.floor(world.clock.now() / 200) % 2 === 1) throw reset
        return 'good'
      },
    })
    expect(await settle(world, world.run(), 60_000)).toBeUndefined()
    expect(world.has.size).toBe(60)
    expect(world.clock.now()).toBeGreaterThan(5 * 400)
  })

  test('one that hangs up and sends nothing more is asked three times again, with pauses', async () => {
    const world: World = createWorld(60, {
      async a(index, signal) {
        if (index < 2) return 'good'
        await world.clock.sleep(1, signal)
        throw new CatalogError('PEER_UNREACHABLE', 'reset')
      },
    })
    const error = await settle(world, world.run(), 60_000)
    expect(error).toEqual(withCode('NO_PROVIDERS'))
    const times = [...new Set(world.asked.map(({ atMs }) => atMs))]
    expect(times).toHaveLength(4)
    expect(times.at(-1)).toBeGreaterThan(3_000)
    expect(world.clock.now()).toBeLessThan(5_000)
  })

  test('what a silent peer owes is asked of another one as well', async () => {
    const world: World = createWorld(2, {
      async stuck(_, signal) {
        await world.clock.sleep(1e9, signal)
        return 'good'
      },
      good: after(() => world.clock, 10),
    })
    expect(await settle(world, world.run(), 5_000)).toBeUndefined()
    expect(world.asked.filter(({ peer }) => peer === 'stuck')).toHaveLength(2)
    const again = world.asked.filter(({ peer }) => peer === 'good')
    expect(again.map(({ index }) => index).sort()).toEqual([0, 1])
    // A peer may take a while before its first chunk.
    for (const { atMs } of again) expect(atMs).toBeGreaterThanOrEqual(250)
  })

  test('silent peers hold a chunk up, but not for good, however many', async () => {
    const silent: Behaviour = async () => new Promise(() => undefined)
    const world: World = createWorld(2, {
      ...{ s1: silent, s2: silent, s3: silent },
      good: after(() => world.clock, 10),
    })
    expect(await settle(world, world.run(), 15_000)).toBeUndefined()
    expect(world.late).toEqual([])
  })

  test('a spare gets the place of one that leaves, and of one that is silent', async () => {
    const world: World = createWorld(
      8,
      {
        gone: async () => Promise.reject(new CatalogError('NOT_FOUND', 'the peer has not got it')),
        silent: async () => new Promise(() => undefined),
        good: after(() => world.clock, 10),
      },
      { join: ['gone'], spares: ['silent', 'good'] },
    )
    expect(await settle(world, world.run(), 8_000)).toBeUndefined()
    expect(world.late).toEqual(['silent'])
  })

  test('our own limit is no fault of the peers, and is kept', async () => {
    const world: World = createWorld(
      20,
      { a: after(() => world.clock, 1) },
      { limit: (clock) => createRateLimit(clock, CHUNK_SIZE / 4) },
    )
    expect(await settle(world, world.run(), 100_000)).toBeUndefined()
    expect(world.late).toEqual([])
    expect(world.clock.now()).toBeGreaterThan(18 * 4_000)
  })

  test('of our own limit only what has come is spent', async () => {
    let spent = 0
    const limit: RateLimit = {
      take: async (bytes) => void (spent += bytes),
      spend: (bytes) => void (spent += bytes),
    }
    let busy = 1
    const world: World = createWorld(
      6,
      {
        async stuck(_, signal) {
          if (busy-- > 0) throw new CatalogError('PEER_BUSY', 'the peer is busy')
          await world.clock.sleep(1e9, signal)
          return 'good'
        },
        good: after(() => world.clock, 10),
      },
      { limit: () => limit },
    )
    expect(await settle(world, world.run(), 5_000)).toBeUndefined()
    await world.clock.advance(0)
    expect(world.asked.length).toBeGreaterThan(6)
    expect(spent).toBe(6 * CHUNK_SIZE)
  })

  test('waiting for a place is no fault, however long it takes', async () => {
    const world: World = createWorld(4, { a: after(() => world.clock, 10) }, { places: 1 })
    world.slots.take('a', otherDigest)
    const running = world.run()
    await world.clock.advance(120_000)
    expect(world.asked).toEqual([])
    world.slots.release('a', otherDigest)
    expect(await settle(world, running, 5_000)).toBeUndefined()
  })

  test('peers that join later take part', async () => {
    const world: World = createWorld(
      100,
      { a: after(() => world.clock, 400), b: after(() => world.clock, 10) },
      { join: ['a'] },
    )
    const running = world.run()
    await world.clock.advance(300)
    world.join('b')
    expect(await settle(world, running, 60_000)).toBeUndefined()
    expect(world.asked.filter(({ peer }) => peer === 'b').length).toBeGreaterThan(50)
  })

  test('aborted: the reason of the signal; nothing is left behind', async () => {
    const world: World = createWorld(100, { a: after(() => world.clock, 400) })
    const stop = new AbortController()
    const reason = new Error('nobody waits for it any more')
    const running = world.run({ signal: stop.signal })
    await world.clock.advance(950)
    stop.abort(reason)
    expect(await running).toBe(reason)
    await world.clock.advance(0)
    expect(world.clock.sleepers).toBe(0)
    expect(world.slots.taken('a')).toBe(0)
    expect(await world.run({ signal: stop.signal })).toBe(reason)
  })
})
