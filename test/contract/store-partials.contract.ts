/** What every Store does with unfinished downloads. Run from store.test.ts on each implementation. */
import { describe, expect, test } from 'vitest'
import { MalformedError } from '../../core/src/content/malformed.ts'
import { chunkCount, chunkRange } from '../../core/src/content/chunking.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { describeBytes, type Description } from '../../core/src/content/manifest.ts'
import type { PartialArtifact } from '../../core/src/store/store.ts'
import {
  blob,
  CHUNK_SIZE,
  INTERESTING_SIZES,
  plain,
  plainTable,
  type Blob,
} from '../support/blobs.ts'
import { starting, type WithStore } from './store-world.ts'

const PUBLIC = { visibility: 'public' } as const
const PRIVATE = { visibility: 'private' } as const
const SIZE = 5 * CHUNK_SIZE + 7

interface Sample extends Blob, Description {}

export function storePartialsContract(name: string, createWorld: WithStore): void {
  const started = starting(createWorld)

  describe(`${name}: partials`, () => {
    test.for(INTERESTING_SIZES)('of $size bytes ($why) become artifacts', async ({ size }, ctx) => {
      const { store } = await started(ctx)
      const made = sample(size)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      const indices = indicesOf(made).reverse()
      await Promise.all(indices.map((index) => partial.writeChunk(index, chunkOf(made, index))))
      expect(partial.present).toBe(indices.length)
      expect(store.has(made.digest)).toBe(false) // not before the whole digest has matched
      await partial.commit({ verified: size % 2 === 0 })
      expect(store.entry(made.digest)).toMatchObject({ size, visibility: 'public' })
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
      expect(plain(await store.describe(made.digest))).toEqual(plain(made))
      await store.flush()
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
      expect(store.usage()).toMatchObject({ artifacts: 1, bytes: size, partialBytes: 0 })
    })

    test('give back each chunk, before and after the commit', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await expect(partial.readChunk(1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(partial.readChunk(6)).rejects.toThrow(RangeError)
      expect(partial.hasChunk(1)).toBe(false)
      await partial.writeChunk(1, chunkOf(made, 1))
      expect(partial.hasChunk(1)).toBe(true)
      expect(store.usage().partialBytes).toBe(CHUNK_SIZE)
      expect(Buffer.compare(await partial.readChunk(1), chunkOf(made, 1))).toBe(0)
      await writeAll(partial, made)
      // Readers of a download do not wait for its commit.
      const reading = indicesOf(made).map((index) => partial.readChunk(index))
      await partial.commit({ verified: true })
      for (const index of indicesOf(made)) {
        expect(Buffer.compare((await reading[index]) ?? Buffer.of(), chunkOf(made, index))).toBe(0)
        expect(Buffer.compare(await partial.readChunk(index), chunkOf(made, index))).toBe(0)
      }
    })

    test('with wrong bytes are DIGEST_MISMATCH, and gone', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const lie = { ...made.manifest, digest: blob(SIZE, 99).digest }
      const partial = await store.openPartial(lie, made.leaves, PUBLIC)
      await writeAll(partial, made)
      await expect(partial.commit({ verified: false })).rejects.toMatchObject({
        code: 'DIGEST_MISMATCH',
      })
      expect(store.has(lie.digest)).toBe(false)
      expect(await store.findPartial(lie.digest)).toBeUndefined()
      expect(store.usage()).toMatchObject({ artifacts: 0, partialBytes: 0 })
    })

    test('that are not complete can not be committed, and go on', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await partial.writeChunk(0, chunkOf(made, 0))
      await expect(partial.commit({ verified: true })).rejects.toThrow('1 of 6 chunks')
      await writeAll(partial, made)
      await partial.commit({ verified: true })
      expect(store.has(made.digest)).toBe(true)
    })

    test('are resumed with what they had', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const first = await store.openPartial(made.manifest, made.leaves, PRIVATE)
      await first.writeChunk(2, chunkOf(made, 2))
      await first.writeChunk(5, chunkOf(made, 5))
      await first.suspend()
      expect(store.usage().partialBytes).toBe(2 * CHUNK_SIZE)
      expect(plainTable(await store.findPartial(made.digest))).toEqual(plainTable(made))
      const second = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      expect(indicesOf(made).filter((index) => second.hasChunk(index))).toEqual([2, 5])
      expect(Buffer.compare(await second.readChunk(5), chunkOf(made, 5))).toBe(0)
      await writeAll(second, made)
      await second.commit({ verified: false })
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
      expect(await store.findPartial(made.digest)).toBeUndefined()
    })

    test('of another manifest stay until one of them is whole: a claim throws nothing away', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const first = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await first.writeChunk(2, chunkOf(made, 2))
      await first.suspend()
      const other = { ...made, ...describeBytes(made.digest, made.bytes, 2 * CHUNK_SIZE) }
      for (const end of ['discard', 'suspend'] as const) {
        const second = await store.openPartial(other.manifest, other.leaves, PUBLIC)
        expect(second.present).toBe(0)
        await second.writeChunk(0, chunkOf(other, 0))
        await second[end]()
        expect(plainTable(await store.findPartial(made.digest))).toEqual(plainTable(made))
        expect(store.usage().partialBytes).toBe(CHUNK_SIZE)
      }
      const again = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      expect(again.hasChunk(2)).toBe(true)
      await again.suspend()
      const third = await store.openPartial(other.manifest, other.leaves, PUBLIC)
      await writeAll(third, other)
      await third.commit({ verified: false })
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
      expect(await store.findPartial(made.digest)).toBeUndefined()
      expect(store.usage().partialBytes).toBe(0)
    })

    test('whose leaves are not known yet are never resumed', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const second = await store.openPartial(made.manifest, undefined, PUBLIC)
      expect(second.present).toBe(0)
      expect(await store.findPartial(made.digest)).toBeUndefined()
      await writeAll(second, made)
      await second.suspend()
      expect(await store.findPartial(made.digest)).toBeUndefined()
      expect(store.usage().partialBytes).toBe(0)
      const third = await store.openPartial(made.manifest, undefined, PUBLIC)
      await writeAll(third, made)
      await third.commit({ verified: true, leaves: made.leaves })
      expect(plain(await store.describe(made.digest))).toEqual(plain(made))
    })

    test('refuse what does not fit their manifest', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const { manifest, leaves } = made
      for (const [badManifest, badLeaves] of [
        [manifest, leaves.subarray(32)],
        [{ ...manifest, chunkSize: 1000 }, leaves],
        [{ ...manifest, size: -1 }, leaves],
      ] as const) {
        const opening = store.openPartial(badManifest, badLeaves, PUBLIC)
        await expect(opening).rejects.toThrow(MalformedError)
      }
      const partial = await store.openPartial(manifest, leaves, PUBLIC)
      await expect(partial.writeChunk(0, chunkOf(made, 0).subarray(1))).rejects.toThrow(RangeError)
      await expect(partial.writeChunk(6, chunkOf(made, 0))).rejects.toThrow(RangeError)
      expect(partial.present).toBe(0)
    })

    test('of one digest can be open beside each other; whichever is whole becomes the artifact', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const other = { ...made, ...describeBytes(made.digest, made.bytes, 2 * CHUNK_SIZE) }
      const partials = [
        { made, partial: await store.openPartial(made.manifest, made.leaves, PUBLIC) },
        { made: other, partial: await store.openPartial(other.manifest, other.leaves, PUBLIC) },
        { made, partial: await store.openPartial(made.manifest, undefined, PUBLIC) },
      ]
      for (const each of partials) await each.partial.writeChunk(1, chunkOf(each.made, 1))
      expect(store.usage().partialBytes).toBe(4 * CHUNK_SIZE)
      for (const each of partials.reverse()) {
        await writeAll(each.partial, each.made)
        await each.partial.commit({ verified: false })
        expect(Buffer.compare(await each.partial.readChunk(1), chunkOf(each.made, 1))).toBe(0)
      }
      await store.flush()
      expect(await store.verify({})).toEqual({ checked: 1, bytes: SIZE, corrupt: [] })
      expect(store.usage().partialBytes).toBe(0)
    })

    test('are closed for good', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await partial.discard()
      await expect(partial.writeChunk(0, chunkOf(made, 0))).rejects.toThrow(/closed/)
      await expect(partial.commit({ verified: true })).rejects.toThrow()
      await partial.suspend()
      await partial.discard()
      const again = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      expect(again.present).toBe(0)
    })

    test('committed after somebody put the same artifact widen it', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await writeAll(partial, made)
      await store.put(made.digest, made.bytes, PRIVATE)
      await partial.commit({ verified: true })
      await store.flush()
      expect(store.entry(made.digest)?.visibility).toBe('public')
      expect(store.usage()).toMatchObject({ artifacts: 1, bytes: SIZE, partialBytes: 0 })
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
    })

    test('committed while an older copy is being deleted are there', async (ctx) => {
      const { store } = await started(ctx)
      const made = sample(SIZE)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await writeAll(partial, made)
      await store.put(made.digest, made.bytes, PUBLIC)
      await store.flush()
      const deleting = store.delete(made.digest)
      await partial.commit({ verified: true })
      expect(await deleting).toBe(true)
      await store.flush()
      expect(await store.verify({})).toEqual({ checked: 1, bytes: SIZE, corrupt: [] })
    })

    test('from an origin take their room before they start', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 2 * SIZE })
      const [a, b, c] = [sample(SIZE, 1), sample(SIZE, 2), sample(2 * SIZE + 1, 3)]
      await store.put(a.digest, a.bytes, PUBLIC)
      await store.put(b.digest, b.bytes, PUBLIC)
      await expect(store.openPartial(c.manifest, undefined, PUBLIC)).rejects.toMatchObject({
        code: 'STORE_FULL',
      })
      expect([store.has(a.digest), store.has(b.digest)]).toEqual([true, true])
      const d = sample(SIZE, 4)
      const partial = await store.openPartial(d.manifest, undefined, PUBLIC)
      expect([store.has(a.digest), store.has(b.digest)]).toEqual([false, true])
      await writeAll(partial, d)
      await partial.commit({ verified: true })
      expect(store.usage().bytes).toBe(2 * SIZE)
    })

    test('that peers claim evict nothing until they are whole', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 4 * SIZE })
      const held = [1, 2, 3, 4].map((seed) => sample(SIZE, seed))
      for (const { digest, bytes } of held) await store.put(digest, bytes, PUBLIC)
      const count = (): number => held.filter(({ digest }) => store.has(digest)).length
      const made = sample(SIZE, 5)
      const partial = await store.openPartial(made.manifest, made.leaves, PUBLIC)
      await writeAll(partial, made)
      expect(count()).toBe(4)
      await partial.commit({ verified: true })
      expect(store.has(made.digest)).toBe(true)
      expect(count()).toBe(3)
    })

    test('that peers claim take a share of the quota together, whatever they claim', async (ctx) => {
      const { store } = await started(ctx, { quotaBytes: 4 * SIZE })
      const [a, b, huge] = [sample(SIZE, 1), sample(SIZE, 2), sample(SIZE + 1, 3)]
      await expect(store.openPartial(huge.manifest, huge.leaves, PUBLIC)).rejects.toMatchObject({
        code: 'STORE_FULL',
      })
      const first = await store.openPartial(a.manifest, a.leaves, PUBLIC)
      const second = await store.openPartial(b.manifest, b.leaves, PUBLIC)
      for (const index of [0, 1, 2]) await first.writeChunk(index, chunkOf(a, index))
      for (const index of [0, 1]) await second.writeChunk(index, chunkOf(b, index))
      await expect(second.writeChunk(2, chunkOf(b, 2))).rejects.toMatchObject({
        code: 'STORE_FULL',
      })
      expect(store.usage().partialBytes).toBe(5 * CHUNK_SIZE)
      // What nobody works on makes way.
      await first.suspend()
      await second.writeChunk(2, chunkOf(b, 2))
      expect(await store.findPartial(a.digest)).toBeUndefined()
      expect(store.usage().partialBytes).toBe(3 * CHUNK_SIZE)
    })
  })
}

function sample(size: number, seed = 0): Sample {
  const { digest, bytes } = blob(size, seed)
  return { digest, bytes, ...describeBytes(digest, bytes, CHUNK_SIZE) }
}

function indicesOf({ manifest }: Sample): number[] {
  return Array.from({ length: chunkCount(manifest.size, manifest.chunkSize) }, (_, index) => index)
}

function chunkOf({ manifest, bytes }: Sample, index: number): Uint8Array {
  const { start, end } = chunkRange(manifest, index)
  return bytes.subarray(start, end)
}

async function writeAll(partial: PartialArtifact, made: Sample): Promise<void> {
  for (const index of indicesOf(made)) await partial.writeChunk(index, chunkOf(made, index))
}
