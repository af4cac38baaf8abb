import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { createPinoLogger } from './pino-logger.ts'

test('an event is the message, facts are fields, errors keep code and cause', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-log-'))
  const destination = join(folder, 'log')
  const log = createPinoLogger({ level: 'info', destination })
  log.debug('not.this')
  log.info('plain.event')
  log.warn('event.facts', { bytes: 7 })
  const cause = new Error('beneath')
  log.error('event.error', { error: new CatalogError('STORE_FAILED', 'no', { cause }) })
  const lines = (await readFile(destination, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines).toMatchObject([
    { level: 30, msg: 'plain.event' },
    { level: 40, msg: 'event.facts', bytes: 7 },
    { level: 50, msg: 'event.error', error: { code: 'STORE_FAILED' } },
  ])
  expect(JSON.stringify(lines[2])).toContain('beneath')
  await rm(folder, { recursive: true, force: true })
})
