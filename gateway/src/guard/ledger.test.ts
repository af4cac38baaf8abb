import { openDatabase } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { SqliteLedger } from './ledger.ts'

const warned: string[] = []
const drop = (): void => undefined
const warn = (event: string): void => void warned.push(event)
const log = { debug: drop, info: drop, warn, error: drop }

const served = (version: string, client = 'npm/11'): Parameters<SqliteLedger['note']>[0] => ({
  ...{ name: 'fx', version, digest: `sha512-${version}`, client },
})

test('remembers who got what, first and last, and under which minimum age', async () => {
  const database = await openDatabase(':memory:')
  let now = 1_000
  const before = new SqliteLedger(database, { log, minAgeMs: 0, now: () => now })
  before.note(served('1.0.0'))
  before.note(served('1.0.0', 'pnpm/11'))
  before.close()
  now = 5_000
  const ledger = new SqliteLedger(database, { log, minAgeMs: 7, now: () => now })
  expect(ledger.wasAllowed('fx', '1.0.0', 7)).toBe(false)
  ledger.note(served('1.0.0'))
  expect(ledger.find('fx')).toEqual([
    { ...served('1.0.0'), firstMs: 1_000, lastMs: 5_000 },
    { ...served('1.0.0', 'pnpm/11'), firstMs: 1_000, lastMs: 1_000 },
  ])
  expect(ledger.wasAllowed('fx', '1.0.0', 7)).toBe(true)
  expect(ledger.wasAllowed('fx', '1.0.0', 8)).toBe(false)
  ledger.note(served('2.0.0'), { isUnjudged: true })
  expect(ledger.find('fx', '2.0.0')).toHaveLength(1)
  expect(ledger.wasAllowed('fx', '2.0.0', 7)).toBe(false)
  ledger.note(served('2.0.0'))
  expect(ledger.wasAllowed('fx', '2.0.0', 7)).toBe(true)
  database.close()
})

test('is bounded: what was given out longest ago goes', async () => {
  const database = await openDatabase(':memory:')
  let now = 0
  const ledger = new SqliteLedger(database, { log, minAgeMs: 0, now: () => now, maxRows: 10 })
  for (now = 1; now <= 45; now += 1) {
    ledger.note(served(`1.0.${now}`))
    expect(ledger.rows).toBeLessThan(20)
  }
  expect(ledger.find('fx', '1.0.45')).toHaveLength(1)
  expect(ledger.find('fx', '1.0.1')).toEqual([])
  database.close()
})

test('a database that refuses costs entries, and nothing else', async () => {
  const database = await openDatabase(':memory:')
  const ledger = new SqliteLedger(database, { log, minAgeMs: 0 })
  database.exec('DROP TABLE served_versions')
  ledger.note(served('1.0.0'))
  ledger.close()
  expect(warned).toEqual(['guard.ledger-not-written'])
  database.close()
})
