/**
 * What every Store does with complete artifacts. Run from store.test.ts on each implementation; store-quota.contract.ts
 * says what goes when there is no room, store-partials.contract.ts what becomes of unfinished downloads.
 */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../core/src/content/digest.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import type { StoreEvent } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, INTERESTING_SIZES, plain } from '../support/blobs.ts'
import { starting, type WithStore } from './store-world.ts'

const PUBLIC = { visibility: 'public' } as const
const PRIVATE = { visibility: 'private' } as const
const KiB = 1024

export function storeContract(name: string, createWorld: WithStore): void {
  const started = starting(createWorld)

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
