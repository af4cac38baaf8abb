import { describe, expect, it } from 'vitest'
import { isCatalogError } from '../../errors.ts'
import { encodeFrame } from '../../wire/frames.ts'
import { MAX_INVENTORY_PREFIXES } from '../../wire/inventory-messages.ts'
import {
  decodeInventoryMessage,
  encodeInventoryMessage,
  MAX_CHANGES_PER_FRAME,
  MAX_INVENTORY_FRAME_BYTES,
  type InventoryMessage,
} from '../../wire/inventory-messages.ts'
import { InventoryReceiver } from './inventory-receiver.ts'

const prefixes = (...values: number[]): Uint32Array<ArrayBuffer> =>
  Uint32Array.from(values, (value) => value)
const snapshot = (count: number): InventoryMessage => ({ type: 'snapshot', count })
const part = (...values: number[]): InventoryMessage => ({
  type: 'part',
  prefixes: prefixes(...values),
})
const have = (...values: number[]): InventoryMessage => ({
  type: 'have',
  prefixes: prefixes(...values),
})
const lost = (...values: number[]): InventoryMessage => ({
  type: 'lost',
  prefixes: prefixes(...values),
})
const end: InventoryMessage = { type: 'end' }

function feed(...messages: InventoryMessage[]): InventoryReceiver {
  const receiver = new InventoryReceiver()
  for (const message of messages) receiver.accept(message, 0)
  return receiver
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (isCatalogError(error)) return error.code
    throw error
  }
  return 'none'
}

describe('InventoryReceiver', () => {
  it('knows nothing until the snapshot is complete', () => {
    const receiver = feed(snapshot(3), part(1, 2), part(3))
    expect(receiver.inventory).toBeUndefined()
    receiver.accept(end, 0)
    expect(receiver.inventory?.toSorted()).toEqual(prefixes(1, 2, 3))
  })

  it('applies changes to it', () => {
    const { inventory } = feed(snapshot(2), part(1, 2), end, have(7, 1), lost(2, 99))
    expect(inventory?.toSorted()).toEqual(prefixes(1, 7))
  })

  it('takes an empty inventory', () => {
    expect(feed(snapshot(0), end).inventory?.size).toBe(0)
  })

  const breaches: Record<string, InventoryMessage[]> = {
    'changes first': [have(1)],
    'a part first': [part(1)],
    'an end first': [end],
    'two snapshots': [snapshot(0), end, snapshot(0)],
    'a snapshot within a snapshot': [snapshot(1), snapshot(1)],
    'changes within a snapshot': [snapshot(1), have(1)],
    'more than promised': [snapshot(1), part(1, 2)],
    'less than promised': [snapshot(2), part(1), end],
    'unsorted within a part': [snapshot(2), part(2, 1)],
    'unsorted between parts': [snapshot(2), part(2), part(1)],
    'twice the same': [snapshot(2), part(1, 1)],
    'twice the same between parts': [snapshot(2), part(1), part(1)],
    'a part after the end': [snapshot(0), end, part(1)],
  }
  for (const [name, messages] of Object.entries(breaches)) {
    it(`refuses ${name}`, () => {
      expect(codeOf(() => feed(...messages))).toBe('PEER_MISBEHAVED')
    })
  }

  it('refuses endless changes, and lets time make up for them', () => {
    const full: InventoryMessage = {
      type: 'have',
      prefixes: Uint32Array.from({ length: MAX_CHANGES_PER_FRAME }, (_, i) => i),
    }
    const count = (everyMs: number, limit: number): number => {
      const receiver = feed(snapshot(0), end)
      for (let i = 0; i < limit; i += 1) {
        if (codeOf(() => receiver.accept(full, i * everyMs)) !== 'none') return i
      }
      return limit
    }
    expect(count(0, 1000)).toBeLessThan(100)
    // What an honest sender does at most: one full frame each 205 ms.
    expect(count(205, 1000)).toBe(1000)
  })

  it('refuses endless messages that say nothing', () => {
    const receiver = feed(snapshot(0), end)
    const flood = (): void => {
      for (let i = 0; i < 300_000; i += 1) receiver.accept({ type: 'alive' }, 0)
    }
    expect(codeOf(flood)).toBe('PEER_MISBEHAVED')
  })

  it('refuses to grow beyond the limit', () => {
    const receiver = feed(snapshot(0), end)
    const grow = (): void => {
      for (let i = 0; i < 1000; i += 1) {
        const from = i * MAX_CHANGES_PER_FRAME
        const some = Uint32Array.from({ length: MAX_CHANGES_PER_FRAME }, (_, j) => from + j)
        receiver.accept({ type: 'have', prefixes: some }, i * 1000)
      }
    }
    expect(codeOf(grow)).toBe('PEER_MISBEHAVED')
    expect(receiver.inventory?.size).toBeLessThan(MAX_INVENTORY_PREFIXES + MAX_CHANGES_PER_FRAME)
  })
})

describe('inventory messages', () => {
  const bodies: Record<string, number[]> = {
    'an unknown type': [9],
    'a snapshot without its count': [1, 0, 0],
    'a snapshot with something behind its count': [1, 0, 0, 0, 1, 0],
    'a snapshot of more than two million': [1, 0, 0x1e, 0x84, 0x81],
    'a part of nothing': [2],
    'a part of half a prefix': [2, 1, 2],
    'an end with something behind it': [3, 0],
    'a change of nothing': [4],
    'a keep-alive with something behind it': [6, 1],
  }
  for (const [name, body] of Object.entries(bodies)) {
    it(`refuses ${name}`, () => {
      expect(codeOf(() => decodeInventoryMessage(Uint8Array.from(body)))).toBe('PEER_MISBEHAVED')
    })
  }

  it('refuses more changes than a frame may hold', () => {
    const body = Buffer.alloc(1 + 4 * (MAX_CHANGES_PER_FRAME + 1), 4)
    expect(body.byteLength).toBeLessThan(MAX_INVENTORY_FRAME_BYTES)
    expect(codeOf(() => decodeInventoryMessage(body))).toBe('PEER_MISBEHAVED')
  })

  it('have these bytes', () => {
    const hex = (message: InventoryMessage): string =>
      Buffer.from(encodeInventoryMessage(message)).toString('hex')
    expect(hex(snapshot(258))).toBe('000000050100000102')
    expect(hex(part(1, 0x01020304))).toBe('00000009020000000101020304')
    expect(hex(end)).toBe('0000000103')
    expect(hex(have(255))).toBe('0000000504000000ff')
    expect(hex(lost(256))).toBe('000000050500000100')
    expect(hex({ type: 'alive' })).toBe('0000000106')
    expect(Buffer.from(encodeFrame(Uint8Array.of(6))).toString('hex')).toBe('0000000106')
  })
})
