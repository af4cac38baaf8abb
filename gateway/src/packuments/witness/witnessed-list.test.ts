/** What a witness writes of a packument is read as it was, and what none would write is refused. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { packList, readList } from './witnessed-list.ts'

const document = {
  name: 'fx-one',
  'dist-tags': { latest: '1.1.0', odd: 7 },
  versions: {
    '1.0.0': { dist: { integrity: 'sha512-a' } },
    '1.1.0': { dist: { shasum: 'b' } },
    nonsense: {},
  },
  time: { created: '2020-01-01T00:00:00.000Z', '1.0.0': '2020-01-01T00:00:00.000Z', '1.1.0': 'x' },
}

test('tags, versions, times and what is gone', () => {
  const packed = packList(document, { '0.9.0': 'removed' })
  if (packed === undefined) throw new Error('it is small')
  const { tags, versions, gone } = readList(packed)
  expect([...tags]).toEqual([['latest', '1.1.0']])
  expect([...versions]).toEqual([
    ['1.0.0', ['sha512-a', Date.parse('2020-01-01')]],
    ['1.1.0', [null, null]],
  ])
  expect([...gone]).toEqual([['0.9.0', 'removed']])
})

test('a package with too many versions is not witnessed', () => {
  const many = Array.from({ length: 20_001 }, (_, patch) => [`1.0.${patch}`, {}])
  expect(packList({ versions: Object.fromEntries(many) }, {})).toBeUndefined()
})

test.each<[string, unknown]>([
  ['no object', []],
  ['a part missing', { tags: {}, versions: {} }],
  ['a tag that is no text', { tags: { latest: 1 }, versions: {}, gone: {} }],
  ['a time that is none', { tags: {}, versions: { '1.0.0': [null, 'x'] }, gone: {} }],
  ['a digest that is none', { tags: {}, versions: { '1.0.0': [1, null] }, gone: {} }],
  ['more in a version', { tags: {}, versions: { '1.0.0': [null, null, 1] }, gone: {} }],
  ['a reason of several lines', { tags: {}, versions: {}, gone: { '1.0.0': 'a\nb' } }],
])('%s is refused', (_what, list) => {
  expect(() => readList(gzipSync(JSON.stringify(list)))).toThrow()
})

test('what is not gzip, or unfolds too far, is refused', () => {
  expect(() => readList(Buffer.from('{}'))).toThrow()
  expect(() => readList(gzipSync(Buffer.alloc(9 * 1024 * 1024, 32)))).toThrow()
})
