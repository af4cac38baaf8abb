import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { createIdentify } from './credentials.ts'
import { readOwnerKey } from './owner-key.ts'

const logged: string[] = []
const note = (event: string): void => void logged.push(event)
const log = { debug: note, info: note, warn: note, error: note }

let folder: string
beforeEach(async () => {
  logged.length = 0
  folder = await mkdtemp(join(tmpdir(), 'catalog-owner-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('one key, for its user alone, is made once, also by two at a time', async () => {
  const path = join(folder, 'made', 'owner.key')
  const [one, two] = await Promise.all([readOwnerKey(path, log), readOwnerKey(path, log)])
  expect(Buffer.from(one)).toEqual(Buffer.from(two))
  expect(Buffer.from(await readOwnerKey(path, log))).toEqual(Buffer.from(one))
  if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('a file that is no key is left alone, and this run has one of its own', async () => {
  const path = join(folder, 'owner.key')
  await writeFile(path, 'junk')
  expect((await readOwnerKey(path, log)).byteLength).toBe(32)
  expect(logged).toEqual(['owner-key.unusable'])
  expect(await readFile(path, 'utf8')).toBe('junk')
})

test('fingerprints of two machines say nothing of each other', () => {
  const [here, there] = [createIdentify(), createIdentify()]
  expect(here('Bearer x').fingerprint).toBe(here('Bearer x').fingerprint)
  expect(here('Bearer x').fingerprint).not.toBe(there('Bearer x').fingerprint)
})

test('a copied store is of no use for trying passwords: what it holds is keyed', async () => {
  const secret = makePackage('@corp/secret', '1.0.0')
  const authorization = `Basic ${Buffer.from('alice:winter2025').toString('base64')}`
  await using world = await gatewayWorld({ packages: [secret], publicRegistries: [] })
  world.upstream.wall(/@corp/, [authorization])
  const got = await world.get('/@corp/secret/-/secret-1.0.0.tgz', { authorization })
  expect(got.status).toBe(200)
  await world.gateway.stop()
  const database = await readFile(join(world.cachePath, 'metadata-v1.db'))
  const guess = createHash('sha256').update('catalog-owner\0').update(authorization)
  expect(database.includes('@corp/secret')).toBe(true)
  expect(database.includes(guess.digest('base64url'))).toBe(false)
})
