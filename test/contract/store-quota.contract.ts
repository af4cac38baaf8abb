/**
 * What every Store keeps when there is not room for all: what is used, pinned, our own, kept for others. Run from store.test.ts on
 * each implementation.
 */
import { describe, expect, test } from 'vitest'
import type { Digest } from '../../core/src/content/digest.ts'
import type { PutOptions, Store } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, type Blob } from '../support/blobs.ts'
import { starting, type WithStore } from './store-world.ts'

const PUBLIC = { visibility: 'public' } as const
const KiB = 1024

export function storeQuotaContract(name: string, createWorld: WithStore): void {
  const started = starting(createWorld)

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
}

function digestAt(all: readonly (Blob | Digest)[], index: number): Digest {
  const found = all[index]
  if (found === undefined) throw new Error(`no blob ${index}`)
  return typeof found === 'string' ? found : found.digest
}
