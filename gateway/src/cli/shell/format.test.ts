import { expect, test } from 'vitest'
import { formatBytes, formatFacts, formatMs, formatTable, plural } from './format.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_400, '99.4 kB'],
  [99_600, '100 kB'],
  [999_600, '1.0 MB'],
  [1_234_567, '1.2 MB'],
  [5e12, '5.0 TB'],
  [5e15, '5000 TB'],
])('formatBytes(%i)', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0, '0 ms'],
  [850.4, '850 ms'],
  [12_340, '12.3 s'],
  [60_000, '1 min'],
  [250_000, '4 min 10 s'],
  [3_600_000 * 3 + 300_000, '3 h 5 min'],
  [86_400_000 * 2 + 3_600_000 * 4, '2 d 4 h'],
])('formatMs(%i)', (ms, text) => {
  expect(formatMs(ms)).toBe(text)
})

test('tables and facts are aligned, without spaces at the end', () => {
  const columns = [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'X' }] as const
  expect(
    formatTable(columns, [
      ['a', '1', ''],
      ['longer', '10', 'y'],
    ]),
  ).toEqual(['NAME    SIZE  X', 'a          1', 'longer    10  y'])
  expect(
    formatFacts([
      ['a', '1'],
      ['bcd', ''],
    ]),
  ).toEqual(['a    1', 'bcd'])
  expect([plural(1, 'peer'), plural(2, 'peer')]).toEqual(['1 peer', '2 peers'])
})
