import { expect, test } from 'vitest'
import { dependenciesOf } from './latest-dependencies.ts'

test('names of a registry count, as npm resolves them; a document that is nonsense has none', () => {
  const manifest = {
    dependencies: { a: '^1', b: 'npm:c@1', c: 'https://x.invalid/c.tgz', 'no name': '1', d: 7 },
    optionalDependencies: { e: '*' },
    peerDependencies: { f: '1', g: '1' },
    peerDependenciesMeta: { g: { optional: true } },
    devDependencies: { h: '1' },
  }
  const of = (versions: Record<string, Record<string, unknown>>, latest = '1.0.0') =>
    dependenciesOf({ versions, 'dist-tags': { latest } })
  expect(of({ '1.0.0': manifest }).sort()).toEqual(['a', 'e', 'f'])
  expect(of({ '1.0.0': manifest }, '__proto__')).toEqual([])
  expect(of({ '1.0.0': { dependencies: 'a', peerDependencies: null } })).toEqual([])
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`p${n}`, '1']))
  expect(of({ '1.0.0': { dependencies: many } })).toHaveLength(200)
})
