import { describe, expect, it } from 'vitest'
import { createFrameSplitter } from '../../wire/frames.ts'
import { PendingChanges } from './inventory-changes.ts'
import {
  decodeInventoryMessage,
  MAX_CHANGES_PER_FRAME,
  MAX_INVENTORY_FRAME_BYTES,
} from '../../wire/inventory-messages.ts'

function told(frames: Uint8Array[]): { type: string; values: number[] }[] {
  const splitter = createFrameSplitter(MAX_INVENTORY_FRAME_BYTES)
  return frames
    .flatMap((frame) => splitter.push(frame))
    .map(decodeInventoryMessage)
    .map((message) => ({
      type: message.type,
      values: 'prefixes' in message ? Array.from(message.prefixes, Number) : [],
    }))
}

describe('PendingChanges', () => {
  it('tells only what became of each prefix', () => {
    const pending = new PendingChanges()
    pending.set(1, true)
    pending.set(2, true)
    pending.set(1, false)
    pending.set(3, false)
    pending.set(3, true)
    expect(told(pending.take(0))).toEqual([
      { type: 'have', values: [2, 3] },
      { type: 'lost', values: [1] },
    ])
    expect(pending.size).toBe(0)
    expect(pending.take(0)).toEqual([])
  })

  it('tells what we hold before what we lost, and never more than a frame each', () => {
    const pending = new PendingChanges()
    for (let i = 0; i < 3000; i += 1) pending.set(i, false)
    for (let i = 10_000; i < 13_000; i += 1) pending.set(i, true)
    const first = told(pending.take(0))
    expect(first.map(({ type, values }) => [type, values.length])).toEqual([
      ['have', 3000],
      ['lost', MAX_CHANGES_PER_FRAME - 3000],
    ])
    expect(told(pending.take(0)).map(({ values }) => values.length)).toEqual([
      6000 - MAX_CHANGES_PER_FRAME,
    ])
  })

  it('waits 20 ms after a rest, longer under load and for many peers', () => {
    const pending = new PendingChanges()
    expect(pending.windowMs(200, 0)).toBe(20)
    pending.set(1, true)
    pending.take(1000)
    expect(pending.windowMs(1, 1000)).toBe(20)
    expect(pending.windowMs(150, 1000)).toBe(150)
    expect(pending.windowMs(900, 1000)).toBe(200)
    expect(pending.windowMs(150, 1100)).toBe(50)
    expect(pending.windowMs(150, 5000)).toBe(20)
  })

  it('never tells faster than receivers put up with', () => {
    const pending = new PendingChanges()
    for (let i = 0; i < 50_000; i += 1) pending.set(i, true)
    let nowMs = 0
    while (pending.size > 0) {
      pending.take(nowMs)
      nowMs += pending.windowMs(1, nowMs)
    }
    expect(50_000 / nowMs).toBeLessThanOrEqual(20)
  })
})
