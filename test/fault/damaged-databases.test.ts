/**
 * Damaged databases: those of what can be learned again are put aside and made anew, with a warning, so a daemon starts and serves.
 * The store's index: store-damage.test.ts.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPeers, PEERS_FILE } from '../../core/src/host/libp2p/peers-database.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { openRenewable } from '../../core/src/disk/renewable-database.ts'
import type { Logger } from '../../core/src/log.ts'
import { openRecordStore } from '../../core/src/records/record-store.ts'
import { openBanStore } from '../../core/src/store/ban-store.ts'
import { openStoredVisibility } from '../../gateway/src/artifacts/visibility/stored-visibility.ts'
import {
  METADATA_FILE,
  openPackumentCache,
} from '../../gateway/src/packuments/cache/packument-cache.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { createFakeClock } from '../support/fake-clock.ts'

const PAGE_BYTES = 4_096
const limits = { memoryBytes: 1e6, quotaBytes: 1e6, maxBytes: 1e6 }
const rules = { privateScopes: [], shareScopes: [], publicRegistries: [] }

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-damaged-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe.each([
  ['is no database', () => Buffer.alloc(2 * PAGE_BYTES, 'junk')],
  ['has damaged pages', (bytes: Buffer) => bytes.fill(0xa5, PAGE_BYTES)],
])('a file that %s', (_, damaged) => {
  test.each<[string, (path: string, log: Logger) => Promise<{ close(): unknown }>]>([
    ['bans.sqlite', (path, log) => openBanStore(path, { log, clock: createFakeClock() })],
    ['records.sqlite', (path, log) => openRecordStore(path, { log })],
    [
      PEERS_FILE,
      async (path, log) =>
        (await openPeers({ log, groupOf: () => undefined }, { path, self: 'me' })).database,
    ],
  ])('%s', async (name, open) => {
    const folder = await newFolder()
    const path = join(folder, name)
    const warnings = async (): Promise<unknown[]> => {
      const log = createCollectingLogger()
      const opened = await open(folder, log)
      await opened.close()
      return log.lines.filter(({ level }) => level === 'warn')
    }
    expect(await warnings()).toEqual([])
    const bytes = damaged(await readFile(path))
    await writeFile(path, bytes)
    const keptAs = `${path}.damaged`
    const facts = expect.objectContaining({ path, keptAs, effect: expect.any(String) as string })
    expect(await warnings()).toMatchObject([{ event: 'database.damaged', facts }])
    expect((await readFile(keptAs)).equals(bytes)).toBe(true)
    expect(await warnings()).toEqual([])
  })
})

test('what is not damage is left where it is', async () => {
  const path = join(await newFolder(), 'some.sqlite')
  const log = createCollectingLogger()
  const options = { log, effect: 'none' }
  const made = await openRenewable(path, options, (database) => {
    database.exec('CREATE TABLE kept (id INTEGER)')
    return database
  })
  made.close()
  const use = openRenewable(path, options, (database) => database.exec('CREATE TABLE kept (id)'))
  await expect(use).rejects.toMatchObject({ code: 'STORE_FAILED' })
  const again = await openRenewable(path, options, (database) => database)
  expect(again.prepare('SELECT count(*) AS rows FROM kept').get()).toEqual({ rows: 0 })
  again.close()
  expect(log.lines).toEqual([])
})

test('of packages nothing is thrown away: what was taken down or shared may stand nowhere else', async () => {
  const path = await newFolder()
  const log = createCollectingLogger()
  await (await openPackumentCache({ log }, { path, ...limits })).close()
  const file = join(path, METADATA_FILE)
  const bytes = (await readFile(file)).fill(0xa5, PAGE_BYTES)
  await writeFile(file, bytes)
  await (await openPackumentCache({ log }, { path, ...limits })).close()
  expect(log.lines).toMatchObject([{ level: 'warn', event: 'metadata.in-memory' }])
  expect((await readFile(file)).equals(bytes)).toBe(true)
})

test('without what tells who may see it nothing that is stored is public', async () => {
  const path = await newFolder()
  const log = createCollectingLogger()
  const first = await openStoredVisibility({ log }, { path, rules })
  first.accept()
  first.close()
  const file = join(path, METADATA_FILE)
  await writeFile(file, (await readFile(file)).fill(0xa5, PAGE_BYTES))
  const visibility = await openStoredVisibility({ log }, { path, rules })
  expect(visibility.judge?.(digestOf(Buffer.from('stored')), 'public')).toBe('private')
  visibility.close()
})
