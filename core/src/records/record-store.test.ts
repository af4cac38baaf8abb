/** The table of records on a disk that may have been damaged. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { recordOf } from '../../../test/support/records.ts'
import { digestOf } from '../content/digest.ts'
import { nameKeyOf } from '../content/name-key.ts'
import { createRecordStore } from './record-store.ts'

const record = recordOf(digestOf(Buffer.from('some artifact')))

test('a row that can’t be read is none, and learned anew', () => {
  const database = new DatabaseSync(':memory:')
  const records = createRecordStore(database)
  records.put(record)
  database.exec(`UPDATE records SET body = x'00'`)
  expect(records.get(nameKeyOf(record))).toBeUndefined()
  records.put(record)
  expect(records.get(nameKeyOf(record))).toEqual(record)
})

test('a row under the key of another version is none', () => {
  const database = new DatabaseSync(':memory:')
  const records = createRecordStore(database)
  const other = { ...record, version: '6.6.6' }
  records.put(record)
  database.prepare('UPDATE records SET key = ?').run(Buffer.from(nameKeyOf(other), 'hex'))
  expect(records.get(nameKeyOf(other))).toBeUndefined()
})
