import { expect, test } from 'vitest'
import { KnownVersions } from './known-versions.ts'

const registry = 'https://main.invalid'
const home = { name: 'pkg', registry }
const sri = (letter: string): string => `sha512-${letter.repeat(86)}==`

test('hashes are of one registry, one name, one version', () => {
  const known = new KnownVersions()
  known.learn(
    home,
    { versions: { '1.0.0': { dist: { integrity: sri('A') } }, '2.0.0': {} } },
    'daemon',
  )
  expect(known.find({ ...home, version: '1.0.0' })).toEqual({
    integrity: sri('A'),
    source: 'daemon',
  })
  expect(known.find({ ...home, version: '2.0.0' })?.integrity).toBeUndefined()
  expect(known.find({ ...home, version: '3.0.0' })).toBeUndefined()
  expect(known.find({ ...home, registry: 'https://b.invalid', version: '1.0.0' })).toBeUndefined()
  expect(known.find({ ...home, name: 'other', version: '1.0.0' })).toBeUndefined()
})

test('newer metadata replaces older', () => {
  const known = new KnownVersions()
  known.learn(home, { versions: { '1.0.0': { dist: { integrity: sri('A') } } } }, 'daemon')
  known.learn(home, { versions: { '1.0.0': { dist: { integrity: sri('B') } } } }, 'registry')
  expect(known.find({ ...home, version: '1.0.0' })).toEqual({
    integrity: sri('B'),
    source: 'registry',
  })
})

test('a version is locked only if all entries of it are', () => {
  const known = new KnownVersions()
  known.learnLocked('a', '1.0.0', true)
  known.learnLocked('b', '1.0.0', true)
  known.learnLocked('b', '1.0.0', false)
  known.learnLocked('b', '1.0.0', true)
  expect(known.isLocked('a', '1.0.0')).toBe(true)
  expect(known.isLocked('b', '1.0.0')).toBe(false)
  expect(known.isLocked('c', '1.0.0')).toBe(false)
  known.forgetLocked()
  expect(known.isLocked('a', '1.0.0')).toBe(false)
})
