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
