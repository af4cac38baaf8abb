import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase, type Database } from '@catalog-p2p/core'
import { createLruTable, type LruTable } from './lru-table.ts'

const DAY_MS = 86_400_000

let database: Database
let nowMs = 0
beforeEach(async () => {
  nowMs = DAY_MS
  database = await openDatabase(':memory:')
})
afterEach(() => database.close())

const open = (maxRows = 3): LruTable =>
  createLruTable(database, {
    table: 'pairs',
    columns: { key: 'a', value: 'b' },
    maxRows,
    now: () => nowMs,
  })
const count = (): number =>
  (database.prepare('SELECT count(*) AS rows FROM pairs').get() as { rows: number }).rows
/** Adds `name` when it is so many days later. */
const addLater = (rows: LruTable, name: string): void => {
  nowMs += 2 * DAY_MS
  rows.add(name, 'x')
}

describe('rows', () => {
  test('are found by either value, and removed by it', () => {
    const rows = open()
    rows.add('one', 'x')
    rows.add('one', 'x')
    expect(rows.has('one', ['y', 'x'])).toBe(true)
    expect(rows.has('one', ['y'])).toBe(false)
    expect(rows.has('two', ['x'])).toBe(false)
    expect(count()).toBe(1)
    rows.removeValue('x')
    expect(rows.has('one', ['x'])).toBe(false)
  })

  test('go when there are too many, those first that nobody has used for longest', () => {
    const rows = open(3)
    for (const name of ['old', 'used', 'third']) addLater(rows, name)
    nowMs += 2 * DAY_MS
    expect(rows.has('used', ['x'])).toBe(true)
    for (const name of ['fourth', 'fifth', 'sixth']) addLater(rows, name)
    expect(count()).toBe(3)
    expect(rows.has('old', ['x'])).toBe(false)
    expect(rows.has('third', ['x'])).toBe(false)
    expect(rows.has('sixth', ['x'])).toBe(true)
  })

  test('never number more than twice a small bound, whatever comes', () => {
    const rows = open(10)
    for (let i = 0; i < 500; i += 1) {
      rows.add(`name-${i}`, 'x')
      expect(count()).toBeLessThan(20)
    }
  })

  test('of an earlier version stay, up to the bound', () => {
    database.exec('CREATE TABLE pairs (a TEXT, b TEXT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID')
    for (let i = 0; i < 5; i += 1) database.exec(`INSERT INTO pairs VALUES ('name-${i}', 'x')`)
    const rows = open(4)
    expect(count()).toBe(4)
    rows.add('new', 'x')
    expect(rows.has('new', ['x'])).toBe(true)
    expect(open(4).has('new', ['x'])).toBe(true)
  })

  test('that are read are written at most once a day', () => {
    const rows = open()
    rows.add('one', 'x')
    const changes = (): number =>
      (database.prepare('SELECT total_changes() AS n').get() as { n: number }).n
    const before = changes()
    for (let i = 0; i < 10; i += 1) rows.has('one', ['x'])
    expect(changes()).toBe(before)
    nowMs += DAY_MS + 1
    for (let i = 0; i < 10; i += 1) rows.has('one', ['x'])
    expect(changes()).toBe(before + 1)
  })
})
