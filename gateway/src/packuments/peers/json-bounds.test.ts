import { describe, expect, test } from 'vitest'
import { exceededBound } from './json-bounds.ts'

const of = (text: string, bounds = {}): string | undefined =>
  exceededBound(Buffer.from(text), { bytes: 1_000, values: 10, depth: 4, ...bounds })

describe('a text', () => {
  test.each([
    ['as long as it may be', '1'.repeat(1_000)],
    ['as deep as it may be', '[{"a":[{}]}]'],
    ['with as many values as it may have', `[${Array(10).fill('1').join(',')}]`],
    ['whose strings look like more', '{"[[[[[[,,,,,,,,,,,,,": "\\"[[[[[[,,,,,,,,,,,\\\\"}'],
  ])('%s is within bounds', (_what, text) => {
    expect(of(text)).toBeUndefined()
  })

  test.each([
    ['that is longer', '1'.repeat(1_001), 'bytes'],
    ['that is deeper', '[[[[[]]]]]', 'levels'],
    ['of many values', `[${Array(11).fill('1').join(',')}]`, 'values'],
    ['of many empty objects', `${'[{}]'.repeat(6)}`, 'values'],
    ['of many values after a string that ends in a backslash', `["\\\\"${',1'.repeat(11)}]`, 'val'],
  ])('%s is not', (_what, text, bound) => {
    expect(of(text)).toContain(bound)
  })
})
