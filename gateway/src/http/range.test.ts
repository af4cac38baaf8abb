import { expect, test } from 'vitest'
import { parseRange } from './range.ts'

test.each([
  [undefined, 10, 'whole'],
  ['bytes=0-0', 10, { start: 0, end: 1 }],
  ['bytes=2-5', 10, { start: 2, end: 6 }],
  ['bytes=2-', 10, { start: 2, end: 10 }],
  ['bytes=2-99', 10, { start: 2, end: 10 }],
  ['bytes=-3', 10, { start: 7, end: 10 }],
  ['bytes=-99', 10, { start: 0, end: 10 }],
  ['bytes= 1 - 2', 10, { start: 1, end: 3 }],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=5-2', 10, 'whole'],
  ['bytes=0-1,3-4', 10, 'whole'],
  ['items=0-1', 10, 'whole'],
  ['bytes=-', 10, 'whole'],
  ['bytes=99999999999999999999-', 10, 'whole'],
])('%s of %i', (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected)
})
