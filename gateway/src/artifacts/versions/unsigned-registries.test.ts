import { beforeEach, expect, test } from 'vitest'
import {
  createUnsignedRegistries,
  MAX_UNSIGNED,
  UNSIGNED_MS,
  type UnsignedRegistries,
} from './unsigned-registries.ts'

const mirror = 'https://mirror.invalid/'
let nowMs: number
let unsigned: UnsignedRegistries
beforeEach(() => {
  nowMs = 0
  unsigned = createUnsignedRegistries({ now: () => nowMs })
})
function noteMany(): void {
  for (let each = 0; each < MAX_UNSIGNED; each += 1) unsigned.note(mirror, `fx-${each}`, false)
}

test('so many packages without a signature count, for some minutes, of that registry alone', () => {
  noteMany()
  expect([unsigned.has(mirror), unsigned.has('https://other.invalid/')]).toEqual([true, false])
  nowMs = UNSIGNED_MS
  expect(unsigned.has(mirror)).toBe(false)
})

test('many versions of one package count once', () => {
  for (let each = 0; each < 2 * MAX_UNSIGNED; each += 1) unsigned.note(mirror, 'fx-one', false)
  expect(unsigned.has(mirror)).toBe(false)
})

test('one that has passed a signature on is never silent', () => {
  unsigned.note(mirror, 'fx-signed', true)
  noteMany()
  expect(unsigned.has(mirror)).toBe(false)
})
