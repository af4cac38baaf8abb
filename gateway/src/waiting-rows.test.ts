import { openDatabase } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { WaitingRows } from './waiting-rows.ts'

test('a disk that refuses is said, rows that are lost and rows that are too many apart, and stops nobody', async () => {
  const database = await openDatabase(':memory:')
  const warned: string[] = []
  let fault: 'write' | 'trim' | undefined = 'write'
  const fail = (where: typeof fault): void => {
    if (fault === where) throw new Error(`no ${where}`)
  }
  const rows = new WaitingRows<string>(database, {
    write: () => fail('write'),
    onWritten: () => fail('trim'),
    log: { warn: (event) => void warned.push(event) },
    ...{ event: 'lost', flushMs: 60_000, maxRows: 2 },
  })
  rows.add('a', '1', 'row')
  rows.add('a', '2', 'row')
  expect(warned).toEqual(['lost'])
  fault = 'trim'
  rows.add('a', '1', 'row')
  rows.flush()
  expect(warned).toEqual(['lost', 'rows.not-trimmed'])
  expect(database.isTransaction).toBe(false)
  database.close()
})
