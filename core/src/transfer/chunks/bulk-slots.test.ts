import { describe, expect, test } from 'vitest'
import { digestOf } from '../../content/digest.ts'
import { createBulkSlots } from './bulk-slots.ts'

const digests = Array.from({ length: 20 }, (_, index) => digestOf(Buffer.from(`${index}`)))
const at = (index: number) => digests[index] ?? digestOf(Buffer.of())

describe('createBulkSlots', () => {
  test('bounds the artifacts of one peer, not its requests, nor another peer', () => {
    const slots = createBulkSlots(2)
    expect(slots.take('a', at(0))).toBe(true)
    expect(slots.take('a', at(0))).toBe(true)
    expect(slots.take('a', at(1))).toBe(true)
    expect(slots.take('a', at(2))).toBe(false)
    expect(slots.take('b', at(2))).toBe(true)
    slots.release('a', at(0))
    expect(slots.take('a', at(2))).toBe(false)
    slots.release('a', at(0))
    expect(slots.take('a', at(2))).toBe(true)
    expect(slots.taken('a')).toBe(2)
  })

  test('any number of artifacts one after another, however quickly', () => {
    const slots = createBulkSlots(1)
    for (const digest of digests) {
      expect(slots.take('a', digest)).toBe(true)
      slots.release('a', digest)
    }
    expect(slots.taken('a')).toBe(0)
  })

  test('a place that nobody took is a bug', () => {
    expect(() => createBulkSlots(1).release('a', at(0))).toThrow('nobody')
  })
})
