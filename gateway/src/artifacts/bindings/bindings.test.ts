import { expect, test } from 'vitest'
import { digestOf, openDatabase } from '@catalog-p2p/core'
import { createBindings } from './bindings.ts'

const digest = digestOf(Buffer.from('an artifact'))
const named = { registry: 'https://corp.invalid/', name: 'corp-lib', version: '1.0.0' }

test('what an earlier version kept binds nobody who has credentials', async () => {
  const database = await openDatabase(':memory:')
  database.exec(`
    CREATE TABLE bindings (registry TEXT, name TEXT, version TEXT, digest TEXT, signature TEXT, used_ms INTEGER);
    INSERT INTO bindings VALUES ('${named.registry}', 'corp-lib', '1.0.0', '${digest}', 'none', 1);
  `)
  const bindings = createBindings(database)
  expect(bindings.has({ ...named, owner: '' }, digest)).toBe(true)
  expect(bindings.signature({ ...named, owner: '' }, digest)).toBeUndefined()
  expect(bindings.has({ ...named, owner: 'alice' }, digest)).toBe(false)
  expect(createBindings(database).namesOf(digest)).toHaveLength(1)
  database.close()
})

test('what was told to credentials is written at once', async () => {
  const database = await openDatabase(':memory:')
  const bindings = createBindings(database)
  bindings.add({ ...named, owner: 'alice' }, digest)
  bindings.add({ ...named, owner: '', version: '2.0.0' }, digest)
  const versions = createBindings(database).versionsOf(named.name)
  expect(versions.map(({ version }) => version)).toEqual(['1.0.0'])
  bindings.close()
  database.close()
})

test('what is remembered of a version is what its rows say', async () => {
  const database = await openDatabase(':memory:')
  const other = digestOf(Buffer.from('another'))
  const one = { ...named, owner: '' }
  let nowMs = 1
  const bindings = createBindings(database, { maxRows: 2, now: () => nowMs })
  expect(bindings.has(one, digest)).toBe(false)
  bindings.add(one, digest)
  expect([bindings.has(one, digest), bindings.digestOf(one)]).toEqual([true, digest])
  bindings.add(one, digest, 'valid')
  expect(bindings.signature(one, digest)).toBe('valid')
  bindings.add(one, other)
  expect([bindings.has(one, other), bindings.digestOf(one)]).toEqual([true, undefined])
  bindings.forget(named.name)
  expect(bindings.has(one, digest)).toBe(false)
  // A use within a day is not written down; a later one is, and what was not used longest goes.
  bindings.add(one, digest)
  nowMs += 1
  bindings.add({ ...one, version: '2.0.0' }, digest)
  nowMs += 86_400_001
  expect(bindings.has(one, digest)).toBe(true)
  for (const version of ['3.0.0', '4.0.0']) bindings.add({ ...one, version }, digest)
  const listed = bindings.versionsOf(named.name).map(({ version }) => version)
  const known = ['1.0.0', '2.0.0', '3.0.0', '4.0.0'].filter((version) =>
    bindings.has({ ...one, version }, digest),
  )
  expect(known).toEqual(listed)
  expect(known).not.toContain('2.0.0')
  bindings.add({ ...one, version: '5.0.0' }, digest, 'valid')
  bindings.close()
  const later = createBindings(database)
  expect(later.signature({ ...one, version: '5.0.0' }, digest)).toBe('valid')
  database.close()
})
