/** The inventory against its model, a Set; and snapshots through encode, cut anywhere, and decode. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Inventory } from '../../core/src/discovery/inventory/inventory.ts'
import {
  decodeInventoryMessage,
  encodeInventoryMessage,
  encodeSnapshot,
  MAX_INVENTORY_FRAME_BYTES,
} from '../../core/src/wire/inventory-messages.ts'
import { InventoryReceiver } from '../../core/src/discovery/inventory/inventory-receiver.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import { createFrameSplitter } from '../../core/src/wire/frames.ts'

// Few distinct values, so that adds and removes meet; and the extremes of both halves, digests' and names'.
const prefix = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
)
const change = fc.record({
  action: fc.constantFrom<'add' | 'remove' | 'pack'>('add', 'add', 'remove', 'pack'),
  prefix,
})

const toSorted = (prefixes: Iterable<number>): Uint32Array<ArrayBuffer> =>
  Uint32Array.from(new Set(prefixes)).sort()

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let offset = 0
  for (let i = 0; offset < bytes.byteLength; i += 1) {
    const size = sizes[i % sizes.length] ?? 1
    pieces.push(bytes.subarray(offset, offset + size))
    offset += size
  }
  return pieces
}

describe('Inventory', () => {
  it('behaves as a Set does', () => {
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 200 }),
        fc.array(change, { maxLength: 400 }),
        (initial, changes) => {
          const model = new Set(initial)
          const inventory = new Inventory(toSorted(initial))
          for (const { action, prefix } of changes) {
            if (action === 'add') {
              expect(inventory.add(prefix)).toBe(!model.has(prefix))
              model.add(prefix)
            } else if (action === 'remove') {
              expect(inventory.remove(prefix)).toBe(model.delete(prefix))
            } else {
              inventory.toSorted()
            }
            expect(inventory.has(prefix)).toBe(model.has(prefix))
            expect(inventory.size).toBe(model.size)
          }
          for (const { prefix } of changes) expect(inventory.has(prefix)).toBe(model.has(prefix))
          expect(inventory.toSorted()).toEqual(toSorted(model))
        },
      ),
    )
  })

  it('stays right when it merges by itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (seed) => {
        const model = new Set<number>()
        const inventory = new Inventory()
        let state = seed
        for (let i = 0; i < 6000; i += 1) {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0
          const prefix = ((state % 3000) << 32) | (state % 7)
          if (state % 5 < 3) expect(inventory.add(prefix)).toBe(!model.has(prefix))
          else expect(inventory.remove(prefix)).toBe(model.has(prefix))
          if (state % 5 < 3) model.add(prefix)
          else model.delete(prefix)
        }
        expect(inventory.size).toBe(model.size)
        expect(inventory.toSorted()).toEqual(toSorted(model))
      }),
      { numRuns: 10 },
    )
  })

  it('leaves a snapshot that was taken as it was', () => {
    fc.assert(
      fc.property(fc.array(prefix), fc.array(prefix), (before, after) => {
        const inventory = new Inventory(toSorted(before))
        const snapshot = inventory.toSorted()
        for (const prefix of after) inventory.add(prefix)
        for (const prefix of before) inventory.remove(prefix)
        inventory.toSorted()
        expect(snapshot).toEqual(toSorted(before))
      }),
    )
  })
})

describe('snapshots', () => {
  it('arrive as they were sent, however the stream cuts them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(prefix, { maxLength: 300 }),
        fc.integer({ min: 0, max: 20_000 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 }),
        (some, more, sizes) => {
          const filler = Array.from({ length: more }, (_, i) => (i * 40_503) >>> 0)
          const sent = toSorted([...some, ...filler])
          const splitter = createFrameSplitter(MAX_INVENTORY_FRAME_BYTES)
          const receiver = new InventoryReceiver()
          for (const piece of cut(Buffer.concat([...encodeSnapshot(sent)]), sizes)) {
            for (const body of splitter.push(piece)) {
              receiver.accept(decodeInventoryMessage(body), 0)
            }
          }
          splitter.end()
          expect(receiver.inventory?.toSorted()).toEqual(sent)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('decoding junk either works or is misbehaviour', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (body) => {
        try {
          const message = decodeInventoryMessage(body)
          expect(Buffer.from(encodeInventoryMessage(message).subarray(4))).toEqual(
            Buffer.from(body),
          )
        } catch (error) {
          expect(isCatalogError(error, 'PEER_MISBEHAVED')).toBe(true)
        }
      }),
    )
  })
})
