import { expect, test } from 'vitest'
import { backOffMs } from './back-off.ts'

test('it begins with the first, grows with each failure, and ends at its bound', () => {
  const after = (failures: number[], factor?: number): number[] =>
    failures.map((each) =>
      backOffMs(each, { firstMs: 100, maxMs: 1_000, ...(factor && { factor }) }),
    )
  expect(after([0, 1, 2, 3, 4, 5, 5_000])).toEqual([0, 100, 200, 400, 800, 1_000, 1_000])
  expect(after([1, 2, 3, 5_000], 4)).toEqual([100, 400, 1_000, 1_000])
})
