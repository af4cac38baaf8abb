import { expect, test } from 'vitest'
import { digestOf, openDatabase } from '@catalog-p2p/core'
import { createOwners } from './private-artifacts.ts'

const digest = digestOf(Buffer.from('an artifact'))

test('of what an earlier version kept, what belongs to anybody is asked for anew', async () => {
  const database = await openDatabase(':memory:')
  database.exec('CREATE TABLE private_owners (digest TEXT, owner TEXT, used_ms INTEGER) STRICT')
  const add = database.prepare('INSERT INTO private_owners VALUES (?, ?, 1)')
  for (const owner of ['', 'alice']) add.run(digest, owner)
  const owners = createOwners(database)
  expect([owners.has(digest, ['']), owners.has(digest, ['alice'])]).toEqual([false, true])
  // What is noted from now on stays.
  owners.add(digest, '')
  expect(createOwners(database).has(digest, [''])).toBe(true)
  database.close()
})
