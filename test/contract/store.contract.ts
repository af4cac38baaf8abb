/**
 * What every Store does with complete artifacts. Run from store.test.ts on each implementation; store-partials.contract.ts is
 * the other half. A world is fresh for each test; the clock stands still unless a test moves it.
 */
import { describe, expect, test, type TestContext } from 'vitest'
import { digestOf, type Digest } from '../../core/src/content/digest.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import type { PutOptions, Store, StoreEvent } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, INTERESTING_SIZES, plain, type Blob } from '../support/blobs.ts'
import type { FakeClock } from '../support/fake-clock.ts'

export interface WorldOptions {
  readonly quotaBytes?: number
  readonly replicaQuotaBytes?: number
}

export interface StoreWorld {
  readonly clock: FakeClock
  /** Not started; stopped after the test if it is not by then. */
  create(options?: WorldOptions): Store
}

export type WithStore = (context: TestContext) => Promise<StoreWorld>

const PUBLIC = { visibility: 'public' } as const
const PRIVATE = { visibility: 'private' } as const
const KiB = 1024

export function storeContract(name: string, createWorld: WithStore): void {
  async function started(
    context: TestContext,
    options?: WorldOptions,
  ): Promise<{ store: Store; clock: FakeClock; events: StoreEvent[] }> {
    const world = await createWorld(context)
    const store = world.create(options)
    const events: StoreEvent[] = []
    store.onEvent((event) => events.push(event))
    await store.start()
    return { store, clock: world.clock, events }
  }

  describe(`${name}: artifacts`, () => {
    test.for(INTERESTING_SIZES)('of $size bytes ($why) come back whole', async ({ size }, ctx) => {
      const { store } = await started(ctx)
      const { digest, bytes } = blob(size)
      const accepted = store.put(digest, bytes, PUBLIC)
      expect(store.has(digest)).toBe(true) // at once, not when it is on disk
      expect(digestOf(await store.read(digest))).toBe(digest)
      await accepted
      await store.flush()
      expect(digestOf(await store.read(digest))).toBe(digest)
      expect(plain(await store.describe(digest))).toEqual(
        plain(describeBytes(digest, bytes, CHUNK_SIZE)),
      )
      expect(store.usage()).toMatchObject({ artifacts: 1, bytes: size, writable: true })
    })

    test('are confirmed while they are here', async (ctx) => {
      const { store } = await started(ctx)
      for (const { size } of INTERESTING_SIZES) {
        const { digest, bytes } = blob(size)
        expect(await store.confirm(digest)).toBe(false)
        await store.put(digest, bytes, PUBLIC)
        expect(await store.confirm(digest)).toBe(true)
        await store.flush()
        expect(await store.confirm(digest)).toBe(true)
        await store.delete(digest)
        expect(await store.confirm(digest)).toBe(false)
      }
    })

    test('are read by range, also while they are being written', async (ctx) => {
      const { store } = await started(ctx)
      const { digest, bytes } = blob(3 * KiB * KiB)
      await store.put(digest, bytes, PUBLIC)
      for (const flush of [false, true]) {
        if (flush) await store.flush()
        for (const [start, end] of [
          [0, 0],
          [0, 1],
          [5, 2 * KiB * KiB],
          [bytes.length - 1, bytes.length],
          [bytes.length, bytes.length],
          [0, bytes.length],
        ] as const) {
          const part = await store.read(digest, { start, end })
          expect(Buffer.compare(part, bytes.subarray(start, end))).toBe(0)
        }
      }
      for (const [start, end] of [
        [-1, 5],
        [6, 5],
        [0, bytes.length + 1],
        [0.5, 2],
      ] as const) {
        await expect(store.read(digest, { start, end })).rejects.toThrow(RangeError)
      }
    })

    test('that are absent are NOT_FOUND', async (ctx) => {
      const { store } = await started(ctx)
      const { digest } = blob(10)
      expect(store.has(digest)).toBe(false)
      expect(store.entry(digest)).toBeUndefined()
      await expect(store.read(digest)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(store.describe(digest)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await store.delete(digest)).toBe(false)
      expect(await store.pin(digest, true)).toBe(false)
    })

    test('have an entry, and an event for each coming and going', async (ctx) => {
      const { store, clock, events } = await started(ctx)
      const { digest, bytes } = blob(10)
      await store.put(digest, bytes, PRIVATE)
      const nowMs = clock.epochMs()
      const kept = { visibility: 'private', retention: 'cache', pinned: false }
      const entry = { digest, size: 10, ...kept }
      const added = { ...entry, addedAtMs: nowMs, usedAtMs: nowMs }
      expect(store.entry(digest)).toEqual(added)
      expect([...store.entries()]).toEqual([added])
      await clock.advance(5)
      await store.read(digest)
      expect(store.entry(digest)).toEqual({ ...added, usedAtMs: nowMs + 5 })
      expect(await store.delete(digest)).toBe(true)
      expect(await store.delete(digest)).toBe(false)
      expect(events).toEqual([
        { type: 'added', entry: added },
        { type: 'removed', digest },
      ])
    })

    test('become private, and public again, when they are called so', async (ctx) => {
      const { store, events } = await started(ctx)
      const { digest, bytes } = blob(100)
      expect(store.setVisibility(digest, 'private')).toBe(false)
      await store.put(digest, bytes, PUBLIC)
      expect(store.setVisibility(digest, 'private')).toBe(true)
      expect(store.setVisibility(digest, 'private')).toBe(false)
      expect(store.entry(digest)?.visibility).toBe('private')
      expect(store.setVisibility(digest, 'public')).toBe(true)
      const seen = events.map((event) => event.type === 'added' && event.entry.visibility)
      expect(seen).toEqual(['public', 'private', 'public'])
    })

    test('stored twice are one; private widens to public and never back', async (ctx) => {
      const { store, events } = await started(ctx)
      const { digest, bytes } = blob(100)
      const wishes = [PRIVATE, PRIVATE, PUBLIC, PRIVATE, PUBLIC]
      for (const options of wishes) await store.put(digest, bytes, options)
      expect(store.entry(digest)?.visibility).toBe('public')
      expect(store.usage()).toMatchObject({ artifacts: 1, bytes: 100 })
      const seen = events.map((event) => event.type === 'added' && event.entry.visibility)
      expect(seen).toEqual(['private', 'public'])
    })

    test('deleted and stored again at once are there', async (ctx) => {
      const { store } = await started(ctx)
      const { digest, bytes } = blob(50 * KiB)
      await store.put(digest, bytes, PUBLIC)
      await store.flush()
      const deleting = store.delete(digest)
      expect(store.has(digest)).toBe(false)
      await store.put(digest, bytes, PUBLIC)
      await deleting
      await store.flush()
      expect(digestOf(await store.read(digest))).toBe(digest)
      expect(await store.verify({})).toEqual({ checked: 1, bytes: 50 * KiB, corrupt: [] })
    })

    test('in numbers are all kept, and verified one by one', async (ctx) => {
      const { store } = await started(ctx)
      const blobs = Array.from({ length: 200 }, (_, seed) => blob(2000 + seed, seed))
      await Promise.all(blobs.map(({ digest, bytes }) => store.put(digest, bytes, PUBLIC)))
      await store.flush()
      const seen: number[] = []
      const report = await store.verify({ onProgress: (checked) => seen.push(checked) })
      expect(report).toMatchObject({ checked: 200, corrupt: [] })
      expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
      for (const { digest } of blobs) expect(digestOf(await store.read(digest))).toBe(digest)
    })
  })

  describe(`${name}: quota`, () => {
    const tens = (count: number): Blob[] =>
      Array.from({ length: count }, (_, seed) => blob(10 * KiB, seed))
    const held = (store: Store, blobs: readonly Blob[]): boolean[] =>
      blobs.map(({ digest }) => store.has(digest))

    async function fill(store: Store, blobs: readonly Blob[]): Promise<void> {
      for (const { digest, bytes } of blobs) await store.put(digest, bytes, PUBLIC)
    }

    test('evicts what was used least recently, and nothing more', async (ctx) => {
      const { store, events } = await started(ctx, { quotaBytes: 35 * KiB })
      const blobs = tens(4)
      await fill(store, blobs.slice(0, 3))
      await store.read(digestAt(blobs, 0))
      await fill(store, blobs.slice(3))
      await store.flush()
      expect(held(store, blobs)).toEqual([true, false, true, true])
      expect(events.at(-2)).toEqual({ type: 'removed', digest: digestAt(blobs, 1) })
      await expect(store.read(digestAt(blobs, 1))).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(store.usage()).toMatchObject({ artifacts: 3, bytes: 30 * KiB, quotaBytes: 35 * KiB })
    })

    test('never evicts what is pinned, and stores nothing when all is', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 20 * KiB })
      const blobs = tens(4)
      await fill(store, blobs.slice(0, 2))
      expect(await store.pin(digestAt(blobs, 0), true)).toBe(true)
      await fill(store, blobs.slice(2, 3))
      expect(held(store, blobs)).toEqual([true, false, true, false])
      expect(await store.pin(digestAt(blobs, 2), true)).toBe(true)
      expect(store.usage().pinned).toBe(2)
      await fill(store, blobs.slice(3))
      expect(held(store, blobs)).toEqual([true, false, true, false])
      expect(await store.pin(digestAt(blobs, 0), false)).toBe(true)
      await fill(store, blobs.slice(3))
      expect(held(store, blobs)).toEqual([false, false, true, true])
    })

    test('smaller than one artifact: not stored, nothing lost, no complaint', async (ctx) => {
      const { store, events } = await started(ctx, { quotaBytes: 15 * KiB })
      const small = blob(10 * KiB)
      const large = blob(16 * KiB)
      await fill(store, [small, large])
      expect(held(store, [small, large])).toEqual([true, false])
      expect(events).toHaveLength(1)
      expect(store.usage().writable).toBe(true)
    })

    test('of nothing stores nothing', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 0 })
      await fill(store, tens(1))
      expect(store.usage().artifacts).toBe(0)
    })

    test('prune goes down to the target, pins excepted', async (ctx) => {
      const { store } = await started(ctx)
      const blobs = tens(5)
      await fill(store, blobs)
      await store.pin(digestAt(blobs, 0), true)
      expect(await store.prune({})).toEqual({ removed: 0, freed: 0 })
      expect(await store.prune({ targetBytes: 35 * KiB })).toEqual({
        removed: 2,
        freed: 20 * KiB,
      })
      expect(held(store, blobs)).toEqual([true, false, false, true, true])
      expect(await store.prune({ targetBytes: 0 })).toEqual({ removed: 2, freed: 20 * KiB })
      expect(held(store, blobs)).toEqual([true, false, false, false, false])
    })
  })

  describe(`${name}: retention`, () => {
    const OWN = { ...PUBLIC, retention: 'own' } as const
    const REPLICA = { ...PUBLIC, retention: 'replica' } as const
    const QUOTAS = { quotaBytes: 50 * KiB, replicaQuotaBytes: 20 * KiB }

    async function put(store: Store, seed: number, options: PutOptions): Promise<Digest> {
      const { digest, bytes } = blob(10 * KiB, seed)
      await store.put(digest, bytes, options)
      return digest
    }
    const held = (store: Store, digests: readonly Digest[]): boolean[] =>
      digests.map((digest) => store.has(digest))

    test('what is our own is never evicted, and takes the place of all else', async (ctx) => {
      const { store } = await started(ctx, QUOTAS)
      const own = [await put(store, 1, OWN), await put(store, 2, OWN)]
      const replica = await put(store, 3, REPLICA)
      const cached = await put(store, 4, PUBLIC)
      for (let seed = 10; seed < 20; seed += 1) await put(store, seed, PUBLIC)
      expect(held(store, [...own, replica, cached])).toEqual([true, true, true, false])

      for (let seed = 20; seed < 23; seed += 1) own.push(await put(store, seed, OWN))
      expect(held(store, own)).toEqual(own.map(() => true))
      expect(store.has(replica)).toBe(false)

      for (const options of [OWN, REPLICA, PUBLIC]) {
        expect(store.has(await put(store, 30, options))).toBe(false)
      }
      expect(await store.prune({ targetBytes: 0 })).toEqual({ removed: 0, freed: 0 })
      expect(await store.delete(digestAt(own, 0))).toBe(true)
    })

    test('replicas have a quota of their own, and evict each other only', async (ctx) => {
      const { store } = await started(ctx, QUOTAS)
      const cached = [await put(store, 1, PUBLIC), await put(store, 2, PUBLIC)]
      const replicas = [await put(store, 3, REPLICA), await put(store, 4, REPLICA)]
      await store.read(digestAt(replicas, 0))
      replicas.push(await put(store, 5, REPLICA))
      expect(held(store, replicas)).toEqual([true, false, true])
      expect(held(store, cached)).toEqual([true, true])
      const large = blob(21 * KiB)
      await store.put(large.digest, large.bytes, REPLICA)
      expect(store.has(large.digest)).toBe(false)
      expect(held(store, replicas)).toEqual([true, false, true])
    })

    test('a replica takes the place of what is cached while it is within its quota', async (ctx) => {
      const { store } = await started(ctx, { ...QUOTAS, quotaBytes: 20 * KiB })
      const cached = [await put(store, 1, PUBLIC), await put(store, 2, PUBLIC)]
      expect(store.has(await put(store, 3, REPLICA))).toBe(true)
      expect(held(store, cached)).toEqual([false, true])
    })

    test('a fifth of the quota is for replicas unless told otherwise', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 50 * KiB })
      const replicas = [await put(store, 1, REPLICA), await put(store, 2, REPLICA)]
      expect(held(store, replicas)).toEqual([false, true])
      const replicaBytes = 10 * KiB
      expect(store.usage()).toMatchObject({ replicaBytes, replicaQuotaBytes: 10 * KiB })
    })

    test('is strengthened by storing it again, and never weakened', async (ctx) => {
      const { store } = await started(ctx, QUOTAS)
      const retention = async (options: PutOptions) =>
        store.entry(await put(store, 1, options))?.retention
      expect(await retention(PUBLIC)).toBe('cache')
      expect(await retention(REPLICA)).toBe('replica')
      expect(await retention(PUBLIC)).toBe('replica')
      expect(await retention(OWN)).toBe('own')
      expect(await retention(REPLICA)).toBe('own')
    })

    test('a pin protects a replica too', async (ctx) => {
      const { store } = await started(ctx, { ...QUOTAS, replicaQuotaBytes: 10 * KiB })
      const pinned = await put(store, 1, REPLICA)
      expect(await store.pin(pinned, true)).toBe(true)
      expect(store.has(await put(store, 2, REPLICA))).toBe(false)
      expect(await store.pin(pinned, false)).toBe(true)
      expect(store.usage().pinned).toBe(0)
      expect(store.has(await put(store, 2, REPLICA))).toBe(true)
      expect(store.has(pinned)).toBe(false)
    })

    test('of a download is that which it was opened with', async (ctx) => {
      const { store } = await started(ctx, QUOTAS)
      const { digest, bytes } = blob(10 * KiB)
      const geometry = { digest, size: bytes.byteLength, chunkSize: CHUNK_SIZE }
      const partial = await store.openPartial(geometry, undefined, REPLICA)
      const second = { ...geometry, digest: blob(10 * KiB, 1).digest, size: 11 * KiB }
      await expect(store.openPartial(second, undefined, REPLICA)).rejects.toMatchObject({
        code: 'STORE_FULL',
      })
      await partial.writeChunk(0, bytes)
      await partial.commit({ verified: true })
      expect(store.entry(digest)?.retention).toBe('replica')
    })
  })

  describe(`${name}: life`, () => {
    test('a stopped store rejects with NODE_STOPPED, and stopping again is nothing', async (ctx) => {
      const { store } = await started(ctx)
      const { digest, bytes } = blob(10)
      await store.put(digest, bytes, PUBLIC)
      await store.stop()
      await store.stop()
      const { manifest, leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
      for (const call of [
        () => store.put(digest, bytes, PUBLIC),
        () => store.read(digest),
        () => store.flush(),
        () => store.describe(digest),
        () => store.confirm(digest),
        () => store.openPartial(manifest, leaves, PUBLIC),
        () => store.findPartial(digest),
        () => store.delete(digest),
        () => store.pin(digest, true),
        () => store.verify({}),
        () => store.prune({}),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'NODE_STOPPED' })
      }
    })

    test('a store that was not started rejects too', async (ctx) => {
      const store = (await createWorld(ctx)).create()
      await expect(store.flush()).rejects.toMatchObject({ code: 'NODE_STOPPED' })
    })

    test('an abort rejects with its own reason', async (ctx) => {
      const { store } = await started(ctx)
      const { digest, bytes } = blob(10)
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(store.put(digest, bytes, { ...PUBLIC, signal })).rejects.toBe(signal.reason)
      expect(store.has(digest)).toBe(false)
      await store.put(digest, bytes, PUBLIC)
      await expect(store.verify({ signal })).rejects.toBe(signal.reason)
      await expect(store.prune({ signal })).rejects.toBe(signal.reason)
    })

    test('a listener hears nothing after it was removed', async (ctx) => {
      const { store } = await started(ctx)
      const heard: StoreEvent[] = []
      const remove = store.onEvent((event) => heard.push(event))
      const { digest, bytes } = blob(10)
      await store.put(digest, bytes, PUBLIC)
      remove()
      await store.delete(digest)
      expect(heard.map((event) => event.type)).toEqual(['added'])
    })
  })
}

function digestAt(all: readonly (Blob | Digest)[], index: number): Digest {
  const found = all[index]
  if (found === undefined) throw new Error(`no blob ${index}`)
  return typeof found === 'string' ? found : found.digest
}
