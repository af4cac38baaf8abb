/**
 * A document is kept on disk in the forms that this gateway's own addresses need, and in no others: whoever asks writes the
 * Host header, and any literal address is let in. What is kept counts against the quota, forms included.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import {
  gatewayWorld,
  type GatewayWorld,
  type WorldOptions,
} from '../../../../test/support/gateway-world.ts'
import { openPackumentCache } from './packument-cache.ts'

const drop = (): void => undefined

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

const packages = [makePackage('@fx/one', '1.0.0'), makePackage('@fx/two', '1.0.0')]

async function start(options: WorldOptions = {}): Promise<void> {
  // So that the scope has a place of its own.
  const npmrc = { '@fx:registry': '{upstream}' }
  world = await gatewayWorld({ packages, npmrc, ...options })
}

/** Sizes of what is on disk, when all that was asked for has got there. */
async function onDisk(): Promise<number[]> {
  const { port } = new URL(world.url)
  await world.restart({ port: Number(port) })
  const entries = await readdir(world.cachePath, { recursive: true, withFileTypes: true })
  const files = entries.filter((one) => one.isFile() && one.name.endsWith('.gz'))
  return Promise.all(files.map(async (one) => (await stat(join(one.parentPath, one.name))).size))
}

async function ask(host: string, path = '/@fx%2fone'): Promise<string> {
  const { status, body } = await world.http.get(path).set('host', host)
  expect(status).toBe(200)
  return body.versions['1.0.0'].dist.tarball
}

test.each([
  ['addresses that are not ours', (i: number) => [`10.0.0.${i}`, '/@fx%2fone']],
  ['ports that are not ours', (i: number) => [`127.0.0.1:${i + 1}`, '/@fx%2fone']],
  ['loopback addresses that nobody uses', (i: number) => [`127.0.1.${i}`, '/@fx%2fone']],
  [
    'spellings of a place',
    (i: number) => {
      const name = [...'fx'].map((c, at) => (i & (1 << at) ? c.toUpperCase() : c)).join('')
      return ['localhost', `/-/catalog/scope/${i & 4 ? '%40' : '@'}${name}/@fx%2fone`]
    },
  ],
])('%s leave nothing on disk', async (_what, requestOf) => {
  await start()
  await ask(world.host)
  const before = await onDisk()
  for (let i = 1; i < 8; i += 1) {
    const [host = '', path] = requestOf(i)
    expect(await ask(host, path)).toContain(`http://${host}/`)
  }
  expect(await onDisk()).toEqual(before)
})

test('what our own names need is kept', async () => {
  await start({ allowedHosts: ['catalog.lan'] })
  const { port } = new URL(world.url)
  const names = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]
  for (const host of [...names, `catalog.lan:${port}`, 'catalog.lan']) await ask(host)
  await ask(`localhost:${port}`, '/-/catalog/scope/@fx/@fx%2fone')
  // The document itself, the list of its versions, and a form for each of these.
  expect(await onDisk()).toHaveLength(2 + 6)
})

test('forms count against the quota', async () => {
  await start({ metadataQuotaBytes: 3000 })
  const { port } = new URL(world.url)
  const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`)
  for (const path of ['/@fx%2fone', '/@fx%2ftwo']) for (const host of hosts) await ask(host, path)
  const sizes = await onDisk()
  expect(sizes.length).toBeGreaterThan(2)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(3000)
})

test('a form of a document that came once more as it was is counted once', async () => {
  const path = await mkdtemp(join(tmpdir(), 'catalog-forms-'))
  await start()
  const log = { debug: drop, info: drop, warn: drop, error: drop }
  const limits = { path, memoryBytes: 0, maxBytes: 1000, quotaBytes: 160 }
  const cache = await openPackumentCache({ log }, limits)
  const document = (name: string, confirmedAtMs: number) =>
    ({
      ...{ registry: 'https://r.invalid/', name, kind: 'full' as const, owner: '', hash: 'same' },
      ...{ etag: undefined, lastModified: undefined, publicUrls: false },
      peerFetchedAtMs: undefined,
      ...{ confirmedAtMs, lifetimeMs: undefined, freshness: 'current' as const },
    }) as const
  const form = { part: 'variant-x', gzipped: new Uint8Array(50), isKept: true }
  for (const checkedAtMs of [1, 2])
    await cache.saveForm(cache.save(document('a', checkedAtMs), 100), form)
  cache.save(document('b', 3), 10)
  expect(cache.findByName(undefined, 'a', [''])).toHaveLength(1)
  cache.save(document('c', 4), 1)
  expect(cache.findByName(undefined, 'a', [''])).toHaveLength(0)
  await cache.close()
  await rm(path, { recursive: true, force: true })
})
