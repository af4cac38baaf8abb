/** What the book of heads gives without looking at a signature. */
import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { keyOf } from '../../../test/support/registries/publishing.ts'
import { nameKeyToBytes } from '../content/name-key.ts'
import { openDatabase } from '../disk/database.ts'
import { createHeadBook } from './head-book.ts'
import { headKeyOf } from './head-key.ts'
import { signHead } from './head.ts'

test('the name of a head is had without its signature, and only under its own key', async () => {
  const nothing = (): void => undefined
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const database = await openDatabase(':memory:')
  const book = createHeadBook(database, { clock: createFakeClock(), log })
  const none = { tags: new Map(), releases: new Map(), unpublished: [] }
  const fields = { name: '@acme/tool', sequence: 1, previous: undefined, changedAtMs: 1, ...none }
  const statement = signHead(fields, keyOf('ann'))
  const { head } = book.accept(statement, {})
  const key = headKeyOf(head)
  expect(book.nameOf(key)).toBe('@acme/tool')
  const other = headKeyOf({ ...head, name: '@acme/other' })
  expect(book.nameOf(other)).toBeUndefined()

  const forged = Uint8Array.from(statement)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  const again = createHeadBook(database, { clock: createFakeClock(), log })
  const put = database.prepare(
    'INSERT OR REPLACE INTO heads (key, origin, statement) VALUES (?, ?, ?)',
  )
  for (const each of [key, other]) put.run(nameKeyToBytes(each), 'cache', forged)
  expect(again.get(key)).toBeUndefined()
  expect(again.nameOf(key)).toBe('@acme/tool')
  expect(again.nameOf(other)).toBeUndefined()
})
