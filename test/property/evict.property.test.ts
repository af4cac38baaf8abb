/** Victim choice by its laws, and the memory store under random use against a model that keeps a plain list. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf, type Digest } from '../../core/src/content/digest.ts'
import { silentLogger } from '../../core/src/log.ts'
import { chooseVictims } from '../../core/src/store/evict.ts'
import { createMemoryStore } from '../../core/src/store/memory-store.ts'
import { createFakeClock } from '../support/fake-clock.ts'

const digestNumber = (index: number): Digest => digestOf(Buffer.from(`artifact ${index}`))
const sizes = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 20 })

describe('victims', () => {
  test('are the oldest, as few as suffice, or nobody', () => {
    fc.assert(
      fc.property(sizes, fc.nat(100), fc.nat(400), fc.nat(400), (list, fixed, quota, incoming) => {
        const candidates = list.map((size, index) => ({ digest: digestNumber(index), size }))
        const total = list.reduce((sum, size) => sum + size, 0)
        const needed = { quotaBytes: quota, usedBytes: total + fixed, incomingBytes: incoming }
        const victims = chooseVictims(candidates, needed)
        if (victims === undefined) {
          expect(fixed + incoming).toBeGreaterThan(quota)
          return
        }
        expect(victims).toEqual(candidates.slice(0, victims.length).map((each) => each.digest))
        const freed = (count: number): number =>
          list.slice(0, count).reduce((sum, size) => sum + size, 0)
        expect(total + fixed - freed(victims.length) + incoming).toBeLessThanOrEqual(quota)
        if (victims.length > 0) {
          expect(total + fixed - freed(victims.length - 1) + incoming).toBeGreaterThan(quota)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

const QUOTA = 100
type Step = { readonly type: 'put' | 'read' | 'pin' | 'unpin' | 'delete'; readonly index: number }
const step: fc.Arbitrary<Step> = fc.record({
  type: fc.constantFrom('put', 'put', 'put', 'read', 'pin', 'unpin', 'delete'),
  index: fc.nat(12),
})

/** Least recently used first. */
type Model = { readonly index: number; readonly size: number; pinned: boolean }[]

/** Different for each artifact; sums hit the quota exactly. */
const sizeOf = (index: number): number => 1 + index * 4

function applyToModel(model: Model, { type, index }: Step): void {
  const at = model.findIndex((entry) => entry.index === index)
  const [found] = at < 0 ? [] : model.splice(at, 1)
  if (type === 'delete') return
  if (found !== undefined) {
    if (type === 'pin') found.pinned = true
    if (type === 'unpin') found.pinned = false
    // Pinning keeps the place; unpinning counts as a use, since pinned entries have no place in the order.
    if (type === 'pin') model.splice(at, 0, found)
    else model.push(found)
    return
  }
  if (type !== 'put') return
  const size = sizeOf(index)
  const total = (entries: Model): number => entries.reduce((sum, entry) => sum + entry.size, 0)
  if (total(model.filter((entry) => entry.pinned)) + size > QUOTA) return
  while (total(model) + size > QUOTA) {
    model.splice(
      model.findIndex((entry) => !entry.pinned),
      1,
    )
  }
  model.push({ index, size, pinned: false })
}

describe('a store under its quota', () => {
  test('holds what the model holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const deps = { clock: createFakeClock(), log: silentLogger }
        const store = createMemoryStore(deps, { quotaBytes: QUOTA, chunkSize: 65_536 })
        await store.start()
        const model: Model = []
        const bytesOf = (index: number): Buffer => Buffer.alloc(sizeOf(index), index)
        for (const each of steps) {
          const bytes = bytesOf(each.index)
          const digest = digestOf(bytes)
          applyToModel(model, each)
          if (each.type === 'put') await store.put(digest, bytes, { visibility: 'public' })
          if (each.type === 'read' && store.has(digest)) await store.read(digest)
          if (each.type === 'pin') await store.pin(digest, true)
          if (each.type === 'unpin') await store.pin(digest, false)
          if (each.type === 'delete') await store.delete(digest)
          const expected = model.map(({ index }) => digestOf(bytesOf(index))).sort()
          expect(Array.from(store.entries(), (entry) => entry.digest).sort()).toEqual(expected)
          expect(store.usage().bytes).toBe(model.reduce((sum, entry) => sum + entry.size, 0))
          expect(store.usage().pinned).toBe(model.filter((entry) => entry.pinned).length)
        }
      }),
      { numRuns: 300 },
    )
  })
})
