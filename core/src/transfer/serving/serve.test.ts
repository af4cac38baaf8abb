import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { streamPair } from '../../../../test/support/stream-pair.ts'
import { until } from '../../../../test/support/until.ts'
import { Bitfield } from '../../content/bitfield.ts'
import { decompressChunk, type Encoding } from '../../content/compression.ts'
import { digestOf, type Digest } from '../../content/digest.ts'
import { describeBytes } from '../../content/manifest.ts'
import { leafAt } from '../../content/merkle.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { createMemoryStore } from '../../store/memory-store.ts'
import type { Store } from '../../store/store.ts'
import { encodeFrame, readFrames } from '../../wire/frames.ts'
import {
  decodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  type Answer,
  type Request,
} from '../../wire/transfer-messages.ts'
import type { Assembly } from '../chunks/assembly.ts'
import { createRateLimit, unlimited } from '../rate-limit.ts'
import { MAX_ACTIVE, MAX_QUEUED } from './request-queue.ts'
import { HELLO_DEADLINE_MS, serveStream } from './serve.ts'
import { STUCK_MS } from './reader-pace.ts'
import type { ServeDeps } from './serve-deps.ts'
import { WAIT_EVERY_MS } from './upload-throttle.ts'

const small = blob(1000)
const large = blob(2 * 1024 * 1024 + 5)
const secret = blob(1000, 7)
const absent = blob(1000, 8)
const largeLeaves = describeBytes(large.digest, large.bytes, CHUNK_SIZE).leaves
const NO_LEAF = Buffer.alloc(32)
const leafOfLarge = (index: number): Uint8Array =>
  index < largeLeaves.byteLength / 32 ? leafAt(largeLeaves, index) : NO_LEAF
const text = Buffer.alloc(50_000, 'compressible ')
const hello: Request = { type: 'hello', version: 1, encodings: [] }

let store: Store
let clock: FakeClock
beforeEach(async () => {
  clock = createFakeClock()
  store = createMemoryStore(
    { clock, log: silentLogger },
    { quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
  )
  await store.start()
  await store.put(small.digest, small.bytes, { visibility: 'public' })
  await store.put(large.digest, large.bytes, { visibility: 'public' })
  await store.put(secret.digest, secret.bytes, { visibility: 'private' })
  await store.put(digestOf(text), text, { visibility: 'public' })
})
afterEach(async () => store.stop())

/** A served stream, and the asker's end of it. */
function world(
  options: Partial<ServeDeps> & { seed?: boolean; encodings?: Encoding[]; greet?: boolean } = {},
) {
  const { seed = true, encodings = ['zstd'], greet = true, ...deps } = options
  const pair = streamPair()
  const answers: Answer[] = []
  const served: { bytes: number; whole: boolean }[] = []
  let ended = false
  const serving = serveStream(
    pair.local,
    {
      store,
      clock,
      log: silentLogger,
      arriving: () => undefined,
      recordOf: () => undefined,
      fetch: async () => Promise.reject(new CatalogError('PEER_REFUSED', 'no fleet')),
      limit: unlimited,
      onServed: (bytes, whole) => served.push({ bytes, whole }),
      takeBulkSlot: () => true,
      releaseBulkSlot: () => undefined,
      memory: { hold: (_reader, _bytes, act) => act() },
      group: 'remote',
      ...deps,
    },
    { seed, encodings },
  ).catch((error: unknown) => {
    // As the host does with the stream of a handler that failed.
    pair.local.abort(error instanceof Error ? error : new Error(String(error)))
    return error
  })
  const reading = (async () => {
    const frames = readFrames(pair.remote.source, { maxFrameBytes: MAX_ANSWER_FRAME_BYTES })
    for await (const batch of frames) answers.push(...batch.map(decodeAnswer))
    ended = true
  })().catch(() => undefined)
  const send = (...requests: (Request | Uint8Array)[]): void => {
    for (const request of requests) {
      pair.remote
        .write(request instanceof Uint8Array ? request : encodeRequest(request))
        .catch(() => undefined) // reset by the other side, which is what is tested
    }
  }
  if (greet) send(hello)
  /** The last answer to each request, when all of them have come. */
  const answersTo = async (...ids: number[]): Promise<Answer[]> => {
    const isLast = (answer: Answer, id: number): boolean =>
      answer.type !== 'hello' &&
      answer.type !== 'wait' &&
      answer.id === id &&
      (answer.type !== 'manifest' || answer.leaves.byteLength > 0)
    await until(() => ids.every((id) => answers.some((answer) => isLast(answer, id))))
    return ids.flatMap((id) => answers.filter((answer) => isLast(answer, id)))
  }
  const want = (id: number, digest: Digest): Request => ({ type: 'want', id, digest })
  return {
    ...{ pair, remote: pair.remote, answers, served, serving, reading, send, answersTo, want },
    ended: () => ended,
  }
}

describe('what the store holds', () => {
  test('the hello comes first', async () => {
    const { answers, send, answersTo, want } = world({ encodings: ['zstd', 'lz4'] })
    send(want(1, small.digest))
    await answersTo(1)
    expect(answers[0]).toEqual({ type: 'hello', version: 1, encodings: ['zstd', 'lz4'] })
  })

  test('a small artifact: its manifest and its one chunk', async () => {
    const { answers, send, answersTo, want, served } = world()
    send(want(5, small.digest))
    const [chunk] = await answersTo(5)
    expect(answers[1]).toMatchObject({ type: 'manifest', id: 5, size: 1000, present: undefined })
    expect(chunk).toMatchObject({ type: 'chunk', index: 0, encoding: 'none' })
    if (chunk?.type !== 'chunk') throw new Error('no chunk')
    expect(digestOf(chunk.bytes)).toBe(small.digest)
    await until(() => served.length > 0)
    expect(served).toEqual([{ bytes: 1000, whole: true }])
  })

  test('a large one: its manifest with leaves, and each chunk that is asked for', async () => {
    const { send, answersTo, want } = world()
    send(want(1, large.digest))
    const [manifest] = await answersTo(1)
    const { leaves } = describeBytes(large.digest, large.bytes, CHUNK_SIZE)
    if (manifest?.type !== 'manifest') throw new Error('no manifest')
    expect(Buffer.compare(manifest.leaves, leaves)).toBe(0)
    const count = Math.ceil(large.bytes.byteLength / CHUNK_SIZE)
    const ids = Array.from({ length: count }, (_, index) => 100 + index)
    send(
      ...ids.map((id, index): Request => ({
        type: 'want-chunk',
        ...{ id, index },
        digest: large.digest,
        leaf: leafOfLarge(index),
      })),
    )
    const chunks = await answersTo(...ids)
    const bytes = Buffer.concat(
      chunks.map((chunk) => ('bytes' in chunk ? chunk.bytes : Buffer.of())),
    )
    expect(digestOf(bytes)).toBe(large.digest)
  })

  test('compressed where it shrinks and the asker understands it', async () => {
    const { send, answersTo, want } = world({ greet: false })
    send({ type: 'hello', version: 1, encodings: ['lz4', 'zstd'] })
    send(want(1, digestOf(text)), want(2, small.digest))
    const [packed, plain] = await answersTo(1, 2)
    if (packed?.type !== 'chunk' || plain?.type !== 'chunk') throw new Error('no chunk')
    expect(packed.encoding).toBe('zstd')
    expect(packed.bytes.byteLength).toBeLessThan(text.byteLength / 2)
    const unpacked = await decompressChunk('zstd', packed.bytes, text.byteLength)
    expect(Buffer.compare(unpacked, text)).toBe(0)
    expect(plain.encoding).toBe('none')
  })

  test('a chunk beyond the end is a bad request, also of the first kind of artifact', async () => {
    const { send, answersTo } = world()
    const beyond = (id: number, digest: Digest, index: number): Request => ({
      type: 'want-chunk',
      ...{ id, digest, index, leaf: NO_LEAF },
    })
    send(
      beyond(1, large.digest, 33),
      beyond(2, large.digest, 2 ** 32 - 1),
      beyond(3, small.digest, 1),
    )
    for (const answer of await answersTo(1, 2, 3)) {
      expect(answer).toMatchObject({ type: 'status', status: 'bad-request' })
    }
  })

  test('what is evicted between two looks is not found', async () => {
    const read = async (): Promise<never> => Promise.reject(new CatalogError('NOT_FOUND', 'gone'))
    const { send, answersTo, want } = world({ store: overridden(store, { read }) })
    send(want(1, small.digest))
    expect(await answersTo(1)).toMatchObject([{ type: 'status', status: 'not-found' }])
  })
})

describe('what is private', () => {
  test('is answered exactly as what is absent: want and chunk, byte for byte', async () => {
    const { send, answersTo, want } = world()
    send(want(1, secret.digest), want(2, absent.digest))
    send({ type: 'want-chunk', id: 3, digest: secret.digest, index: 0, leaf: NO_LEAF })
    send({ type: 'want-chunk', id: 4, digest: absent.digest, index: 0, leaf: NO_LEAF })
    const answers = await answersTo(1, 2, 3, 4)
    for (const answer of answers) {
      expect(answer).toMatchObject({ type: 'status', status: 'not-found' })
    }
  })

  test('touches neither disk nor hash: nothing to measure', async () => {
    const touched: string[] = []
    const watched = new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          touched.push(String(name))
          return Reflect.apply(value, target, args) as unknown
        }
      },
    })
    const { send, answersTo, want } = world({ store: watched })
    const touchedFor = async (id: number, digest: Digest): Promise<string[]> => {
      touched.length = 0
      send(want(id, digest))
      await answersTo(id)
      return [...touched]
    }
    const forSecret = await touchedFor(1, secret.digest)
    const forAbsent = await touchedFor(2, absent.digest)
    expect(forSecret).toEqual(['entry'])
    expect(forSecret).toEqual(forAbsent)
  })
})

describe('what is still arriving', () => {
  const { manifest, leaves } = describeBytes(absent.digest, absent.bytes, CHUNK_SIZE)
  const nine = { ...manifest, size: 9 * CHUNK_SIZE }
  const present = new Bitfield(9)
  present.add(0)
  present.add(8)
  const assembly: Pick<Assembly, 'geometry' | 'leaves' | 'chunks' | 'has' | 'present' | 'chunk'> = {
    ...{ geometry: nine, leaves: Buffer.alloc(9 * 32), chunks: 9 },
    has: (index) => present.has(index),
    present: () => present,
    chunk: async (index) => Buffer.alloc(CHUNK_SIZE, index),
  }
  const arriving = (digest: Digest): Assembly | undefined =>
    digest === absent.digest ? (assembly as Assembly) : undefined

  test('is told with what is there, and passed on', async () => {
    expect(leaves).toHaveLength(32)
    const { send, answersTo, want } = world({ arriving })
    const chunk = (id: number, index: number): Request => ({
      type: 'want-chunk',
      ...{ id, digest: absent.digest, index, leaf: NO_LEAF },
    })
    send(want(1, absent.digest), chunk(2, 8), chunk(3, 4), chunk(4, 9))
    const [answer, there, missing, beyond] = await answersTo(1, 2, 3, 4)
    if (answer?.type !== 'manifest' || there?.type !== 'chunk') throw new Error('not arriving')
    expect([...(answer.present?.present() ?? [])]).toEqual([0, 8])
    expect(Buffer.compare(there.bytes, Buffer.alloc(CHUNK_SIZE, 8))).toBe(0)
    expect(missing).toMatchObject({ status: 'not-found' })
    expect(beyond).toMatchObject({ status: 'bad-request' })
  })
})

describe('a chunk of another manifest', () => {
  test('is not here, and never sent in place of the one that was meant', async () => {
    const { send, answersTo } = world()
    const chunk = (id: number, leaf: Uint8Array): Request => ({
      type: 'want-chunk',
      ...{ id, digest: large.digest, index: 1, leaf },
    })
    send(chunk(1, leafOfLarge(1)), chunk(2, leafOfLarge(2)), chunk(3, NO_LEAF))
    const [meant, ...others] = await answersTo(1, 2, 3)
    expect(meant?.type).toBe('chunk')
    for (const other of others) expect(other).toMatchObject({ status: 'not-found' })
  })
})

describe('an upload limit', () => {
  test('is told while it holds an answer back, and not when it does not', async () => {
    const limit = createRateLimit(clock, 20_000)
    const { send, answers } = world({ limit })
    const waits = (): number => answers.filter(({ type }) => type === 'wait').length
    const chunks = (): number => answers.filter(({ type }) => type === 'chunk').length
    const chunk = (id: number): Request => ({
      type: 'want-chunk',
      ...{ id, digest: large.digest, index: id, leaf: leafOfLarge(id) },
    })
    send(chunk(1), chunk(2)) // the second one 64 KiB later, so in three seconds
    await clock.advanceUntil(() => chunks() === 2, { maxMs: 5_000 })
    expect(waits()).toBe(0)
    limit.spend(400_000)
    send(chunk(3))
    await clock.advanceUntil(() => waits() === 3, { maxMs: 4 * WAIT_EVERY_MS })
    await clock.advanceUntil(() => chunks() === 3, { maxMs: 30_000 })
    expect(answers.at(-1)).toMatchObject({ type: 'chunk', id: 3 })
  })
})

describe('bounds', () => {
  test('a node that does not seed refuses everything alike', async () => {
    const { send, answersTo, want } = world({ seed: false })
    send(want(1, small.digest), want(2, secret.digest), want(3, absent.digest))
    for (const answer of await answersTo(1, 2, 3)) {
      expect(answer).toMatchObject({ type: 'status', status: 'refused' })
    }
  })

  test('a flood is answered BUSY beyond the queue, every request once', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = overridden(store, {
      read: async (digest: Digest) => (await gate.promise, store.read(digest)),
    })
    const { send, answers, want, answersTo } = world({ store: slow })
    const count = MAX_QUEUED + MAX_ACTIVE + 100
    for (let id = 0; id < count; id++) send(want(id, small.digest))
    await until(() => answers.some((answer) => answer.type === 'status'))
    gate.resolve()
    await answersTo(...Array.from({ length: count }, (_, id) => id))
    const busy = answers.filter((answer) => answer.type === 'status' && answer.status === 'busy')
    const chunks = answers.filter((answer) => answer.type === 'chunk')
    expect(busy.length + chunks.length).toBe(count)
    expect(chunks.length).toBeGreaterThanOrEqual(MAX_QUEUED)
  })

  test('bulk waits for a place, and gives it back whatever happens', async () => {
    let taken = 0
    let free = 1
    const { send, answersTo } = world({
      takeBulkSlot: () => (free > 0 ? (taken++, free--, true) : false),
      releaseBulkSlot: () => free++,
    })
    const chunk = (id: number, index: number): Request => ({
      type: 'want-chunk',
      ...{ id, digest: large.digest, index, leaf: leafOfLarge(index) },
    })
    for (let id = 1; id <= 20; id++) {
      send(chunk(id, id % 3))
      const [answer] = await answersTo(id)
      expect(answer?.type).toBe('chunk')
    }
    expect(taken).toBe(20)
    expect(free).toBe(1)
    free = 0
    send(chunk(21, 0))
    expect(await answersTo(21)).toMatchObject([{ status: 'busy' }])
  })

  test('what there is no memory for is refused, small or a chunk', async () => {
    const { send, answersTo, want } = world({
      memory: { hold: (_peer, bytes, act) => (bytes > 500 ? Promise.resolve('busy') : act()) },
    })
    send(want(1, small.digest))
    send({ type: 'want-chunk', id: 2, digest: large.digest, index: 0, leaf: leafOfLarge(0) })
    const answers = await answersTo(1, 2)
    expect(answers).toMatchObject([{ status: 'busy' }, { status: 'busy' }])
  })

  test('a stream on which nobody speaks is closed', async () => {
    const { serving, remote } = world({ greet: false })
    await clock.advance(HELLO_DEADLINE_MS - 1)
    const reset = expect(remote.write(Buffer.alloc(1))).resolves.toBeUndefined()
    await reset
    await clock.advance(1)
    expect(isCatalogError(await serving, 'PEER_TIMEOUT')).toBe(true)
    expect(clock.sleepers).toBe(0)
  })

  test('a session may be idle for as long as it likes', async () => {
    const { send, answersTo, want } = world()
    send(want(1, small.digest))
    await answersTo(1)
    await clock.advance(STUCK_MS)
    expect(clock.sleepers).toBe(0) // and costs no timer: a node may have a hundred
    await clock.advance(3600_000)
    send(want(2, small.digest))
    await answersTo(2)
  })

  test('a reader that takes nothing is dropped, with what is held for it', async () => {
    const { serving, pair, send, want, answersTo } = world()
    send(want(1, small.digest))
    await answersTo(1)
    await clock.advance(STUCK_MS)
    // Nothing of what we write is delivered, so that writes wait.
    const stuck = Promise.withResolvers<void>()
    const { local } = pair
    local.write = async () => stuck.promise
    local.abort = ((abort) => (reason: Error) => {
      stuck.reject(reason)
      abort.call(local, reason)
    })(local.abort)
    send(want(2, small.digest))
    await clock.advance(STUCK_MS - 1)
    expect(clock.sleepers).toBe(1)
    await clock.advance(STUCK_MS / 4)
    expect(isCatalogError(await serving, 'PEER_TIMEOUT')).toBe(true)
    expect(clock.sleepers).toBe(0)
  })

  test('a reader that takes a little now and then is dropped, too; one that is just slow is not', async () => {
    const drip = world()
    const slow = world()
    await until(() => drip.answers.length > 0 && slow.answers.length > 0) // the hellos
    drip.pair.local.write = () => clock.sleep(0.8 * STUCK_MS)
    drip.send(...[1, 2, 3, 4, 5, 6].map((id) => drip.want(id, small.digest)))
    const write = slow.pair.local.write.bind(slow.pair.local)
    slow.pair.local.write = async (bytes) => {
      await clock.sleep(bytes.byteLength / 5)
      await write(bytes)
    }
    for (let index = 0; index < 12; index += 1) {
      const chunk = { digest: large.digest, index: index % 8, leaf: leafOfLarge(index % 8) }
      slow.send({ type: 'want-chunk', id: index, ...chunk })
    }
    await clock.advance(3 * STUCK_MS)
    expect(isCatalogError(await drip.serving, 'PEER_TIMEOUT')).toBe(true)
    expect(drip.served.length).toBeLessThan(3)
    await clock.advance(20 * STUCK_MS)
    expect(slow.served).toHaveLength(12)
  })

  test('our own limit is not the reader’s fault, and bounds what goes out', async () => {
    const limit = createRateLimit(clock, 10)
    const { send, want, served, answers } = world({ limit })
    send(want(1, small.digest), want(2, small.digest), want(3, small.digest))
    await clock.advance(50)
    expect(served).toHaveLength(1)
    await clock.advance(3 * STUCK_MS)
    expect(served).toHaveLength(2)
    await clock.advance(3 * STUCK_MS)
    expect(served).toHaveLength(3)
    expect(answers.filter(({ type }) => type === 'chunk')).toHaveLength(3)
  })
})

describe('cancel', () => {
  test('of what waits is answered at once, and it is not read', async () => {
    const gate = Promise.withResolvers<void>()
    let reads = 0
    const slow = overridden(store, {
      async read(digest) {
        reads++
        await gate.promise
        return await store.read(digest)
      },
    })
    const { send, answersTo, want, answers } = world({ store: slow })
    for (let id = 0; id < MAX_ACTIVE + 2; id++) send(want(id, small.digest))
    send({ type: 'cancel', id: MAX_ACTIVE })
    expect(await answersTo(MAX_ACTIVE)).toMatchObject([{ type: 'status', status: 'cancelled' }])
    gate.resolve()
    await answersTo(MAX_ACTIVE + 1)
    expect(reads).toBe(MAX_ACTIVE + 1)
    const ids = answers.flatMap((answer) => (answer.type === 'chunk' ? [answer.id] : []))
    expect(ids).not.toContain(MAX_ACTIVE)
  })

  test('of what is being answered ends it with one last answer', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = overridden(store, {
      read: async (digest: Digest) => (await gate.promise, store.read(digest)),
    })
    const { send, answersTo, want, answers } = world({ store: slow })
    send(want(1, small.digest))
    send({ type: 'cancel', id: 1 }, { type: 'cancel', id: 1 }, { type: 'cancel', id: 99 })
    send(want(2, small.digest))
    gate.resolve()
    expect(await answersTo(1)).toMatchObject([{ type: 'status', status: 'cancelled' }])
    await answersTo(2)
    expect(answers.filter((answer) => answer.type === 'chunk')).toHaveLength(1)
  })

  test('makes room in the queue: cancelled requests cause no BUSY', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = overridden(store, {
      read: async (digest: Digest) => (await gate.promise, store.read(digest)),
    })
    const { send, want, answers, answersTo } = world({ store: slow })
    for (let id = 0; id < MAX_ACTIVE; id++) send(want(id, small.digest))
    for (let id = 1000; id < 1000 + 3 * MAX_QUEUED; id++) {
      send(want(id, small.digest), { type: 'cancel', id })
    }
    gate.resolve()
    await answersTo(1000 + 3 * MAX_QUEUED - 1)
    const statuses = answers.flatMap((answer) => (answer.type === 'status' ? [answer.status] : []))
    expect(new Set(statuses)).toEqual(new Set(['cancelled']))
  })
})

describe('what is fetched for the asker', () => {
  test('is told at once, and again and again in one word for all; none of what has been cancelled', async () => {
    const fetch: ServeDeps['fetch'] = (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      )
    const { send, answers } = world({ fetch })
    const version = { registry: 'http://registry.example/', name: 'a', version: '1.0.0' }
    const words = (): number[] =>
      answers.flatMap((answer) => (answer.type === 'fetching' ? [answer.id] : []))
    for (const id of [1, 2, 3]) send({ type: 'want-fetch', id, version, digest: small.digest })
    await until(() => words().length === 3)
    expect(words()).toEqual([1, 2, 3])
    await clock.advance(1_000)
    expect(words()).toEqual([1, 2, 3, ...Array<number>(10).fill(1)])
    send({ type: 'cancel', id: 1 })
    await until(() => answers.some(({ type }) => type === 'status'))
    await clock.advance(1_000)
    expect(words().slice(13)).toEqual(Array(10).fill(2))
    send({ type: 'cancel', id: 2 }, { type: 'cancel', id: 3 })
    await clock.advance(1_000)
    expect(words()).toHaveLength(23)
  })
})

describe('what breaks the protocol', () => {
  const want = encodeRequest({ type: 'want', id: 1, digest: small.digest })
  test.each<[string, (Request | Uint8Array)[], boolean]>([
    ['no hello', [want], false],
    ['a second hello', [hello], true],
    ['an id that is in use', [Buffer.concat([want, want])], true],
    ['an answer', [encodeFrame(Buffer.of(19, 0, 0, 0, 1, 1))], true],
    ['junk', [Buffer.alloc(5000, 0x41)], true],
    ['a frame that is too long', [Buffer.of(0, 1, 0, 0)], true],
    ['an empty frame', [Buffer.of(0, 0, 0, 0)], true],
    ['a digest cut short', [encodeFrame(Buffer.of(2, 0, 0, 0, 1, 5, 5))], true],
  ])('%s: misbehaviour, and the stream is over', async (_, requests, greet) => {
    const { send, serving } = world({ greet })
    send(...requests)
    expect(isCatalogError(await serving, 'PEER_MISBEHAVED')).toBe(true)
    await clock.advance(0)
    expect(clock.sleepers).toBe(0)
  })

  test('an end inside a request', async () => {
    const { send, serving, remote } = world()
    send(want.subarray(0, 20))
    await remote.end()
    expect(isCatalogError(await serving, 'PEER_MISBEHAVED')).toBe(true)
  })
})

describe('the end', () => {
  test('what was asked for is still answered, then the stream is ended', async () => {
    const { send, want, answers, serving, remote, ended, reading } = world()
    for (let id = 0; id < 50; id++) send(want(id, small.digest))
    await remote.end()
    expect(await serving).toBeUndefined()
    await reading
    expect(ended()).toBe(true)
    expect(answers.filter(({ type }) => type === 'chunk')).toHaveLength(50)
    await clock.advance(0)
    expect(clock.sleepers).toBe(0)
  })

  test('a reset is no misbehaviour and leaves nothing behind', async () => {
    const { send, want, serving, remote } = world()
    for (let id = 0; id < 50; id++) send(want(id, small.digest))
    remote.abort(new Error('power cut'))
    expect(isCatalogError(await serving, 'PEER_UNREACHABLE')).toBe(true)
    await clock.advance(0)
    expect(clock.sleepers).toBe(0)
  })
})

/** The memory store has private fields: methods that are not replaced must run on the real one. */
function overridden(real: Store, methods: Partial<Store>): Store {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return methods[name as keyof Store]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
