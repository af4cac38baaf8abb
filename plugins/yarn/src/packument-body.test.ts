import { expect, test } from 'vitest'
import { parsePackument, pickPackument } from './packument-body.ts'

const parse = (value: unknown) => parsePackument(Buffer.from(JSON.stringify(value)))

test('what is no packument is refused', () => {
  for (const value of [null, 7, 'text', {}, { versions: null }, { versions: 'x' }]) {
    expect(() => parse(value)).toThrow()
  }
  expect(() => parsePackument(Buffer.from('<html>'))).toThrow()
})

test("what Yarn reads stays, in the registry's order, and the rest goes", () => {
  const dist = { tarball: 'https://main.invalid/x', integrity: 'sha512-x', shasum: 'x' }
  const picked = pickPackument(
    parse({
      ...{ name: 'x', readme: 'long', time: { '2.0.0': 'then' }, 'dist-tags': { latest: '2.0.0' } },
      versions: {
        '2.0.0': {
          name: 'x',
          dist: { ...dist, signatures: [] },
          bin: 'x.js',
          author: 'me',
          jest: { a: 1 },
          libc: ['musl'],
        },
        '1.0.0': { name: 'x', dist, scripts: { install: 'node-gyp rebuild' }, readme: 'long' },
      },
    }),
  )
  expect(picked).toEqual({
    ...{ time: { '2.0.0': 'then' }, 'dist-tags': { latest: '2.0.0' } },
    versions: {
      '2.0.0': { name: 'x', dist, bin: 'x.js', libc: ['musl'] },
      '1.0.0': { name: 'x', dist, scripts: { install: 'node-gyp rebuild' } },
    },
  })
  expect(Object.keys(picked.versions ?? {})).toEqual(['2.0.0', '1.0.0'])
})
