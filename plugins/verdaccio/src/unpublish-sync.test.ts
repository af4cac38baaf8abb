import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { digestOf, findDigest, isCatalogError, type CatalogNode } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { quietNode } from '../../../test/support/machines/machine.ts'
import { createCounters, type Counters } from './counters.ts'
import { createTarballFetcher } from './fetch-tarball.ts'
import { createSeeder, type Seeder } from './seeding.ts'
import { createStoredTarballs } from './stored-tarball.ts'
import type { TarballStream } from './verdaccio.ts'
import { createUnpublishSync, type UnpublishSync } from './unpublish-sync.ts'

const never = { signal: new AbortController().signal }
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const bytes = Buffer.alloc(200_000, 3)
const digest = digestOf(bytes)
const shasum = createHash('sha1').update(bytes).digest('hex')
const file = 'fx-1.0.0.tgz'
const tarball = `https://host.example/fx/-/${file}`

let node: CatalogNode
let counters: Counters
let unpublishSync: UnpublishSync
let seeder: Seeder
let manifest: object
/** Streams of the storage or the uplink, which the test feeds. */
let opened: (TarballStream & PassThrough)[]

beforeEach(async () => {
  vi.clearAllMocks()
  node = await quietNode()
  counters = createCounters()
  opened = []
  manifest = {
    versions: { '1.0.0': { dist: { tarball, integrity: digest, shasum } } },
    _distfiles: { [file]: { url: tarball, sha: shasum, registry: 'main' } },
    _attachments: { [file]: { shasum } },
  }
  const files = createStoredTarballs(storage as never)
  const parts = { localStorage: storage, files, counters, log, node: Promise.resolve(running()) }
  unpublishSync = createUnpublishSync(parts, { maxReadingMs: 50 })
  seeder = createSeeder({ ...parts, privacy, unpublishSync })
})

afterEach(() => node.close())

const privacy = { isPublic: () => true, isProxiedPublic: () => true, proxiesOf: () => ['main'] }
const storage = {
  getPackageMetadataAsync: async () => manifest,
  getTarball: () => open(),
}

function running() {
  const isMismatch = (error: unknown) => isCatalogError(error, 'DIGEST_MISMATCH')
  return { node, toDigest: findDigest, isMismatch }
}

/** Of which the first bytes have come. */
function open(): TarballStream & PassThrough {
  const stream = Object.assign(new PassThrough(), { abort: vi.fn() })
  setImmediate(() => {
    stream.emit('content-length', String(bytes.length))
    stream.write(bytes.subarray(0, 1000))
  })
  opened.push(stream)
  return stream
}

async function arriving(): Promise<PassThrough> {
  await vi.waitFor(() => expect(opened).toHaveLength(1))
  return opened[0] ?? expect.fail('nothing was opened')
}

async function remove(wanted: readonly string[] | 'all' = 'all'): Promise<void> {
  const withdraw = await unpublishSync.removing('fx', wanted)
  withdraw()
}

test('what is removed while the node takes it from the storage does not stay', async () => {
  const taking = seeder.seed('fx', file, never)
  const stream = await arriving()
  await remove()
  stream.end(bytes.subarray(1000))
  expect(await taking).toBe('seeded')
  await vi.waitFor(() => expect(counters.withdrawn).toBe(1))
  expect(node.has(digest)).toBe(false)
})

test.each([['all' as const], [[file]]])(
  'what is removed (%j) while the node fetches it does not stay',
  async (wanted) => {
    const fetcher = createTarballFetcher(
      {
        localStorage: storage,
        privacy,
        counters,
        log,
        daemon: undefined,
        unpublishSync,
        node: running,
      },
      { silenceMs: 5_000, stallMs: 5_000 },
    )
    const client = undefined
    const context = { name: 'fx', filename: file, client, manifest, download: 'unseen' as const }
    const stream = fetcher.fetch(context, 'main', () => ({ stream: open(), cancel: vi.fn() }))
    const uplink = await arriving()
    manifest = { versions: {}, _distfiles: {}, _attachments: {} } // not stored yet
    await remove(wanted)
    uplink.end(bytes.subarray(1000))
    const got: Uint8Array[] = []
    for await (const part of stream as AsyncIterable<Uint8Array>) got.push(part)
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
    await vi.waitFor(() => expect(counters.withdrawn).toBe(1))
    expect(node.has(digest)).toBe(false)
  },
)

test('what is asked for anew after that stays', async () => {
  await remove()
  const taking = seeder.seed('fx', file, never)
  const stream = await arriving()
  stream.end(bytes.subarray(1000))
  expect(await taking).toBe('seeded')
  expect(node.has(digest)).toBe(true)
})

test('what was about to be taken when it was removed is left', async () => {
  const admit = unpublishSync.begin()
  await remove()
  expect(admit({ name: 'fx', filename: file }, digest)).toBe(false)
  expect(unpublishSync.begin()({ name: 'fx', filename: file }, digest)).toBe(true)
})

test('a file that its metadata names as it was stored is not read; others are, and not without end', async () => {
  await remove()
  expect(opened).toHaveLength(0)
  manifest = { ...manifest, versions: {} }
  await remove()
  expect(opened).toHaveLength(1)
  expect(log.warn).toHaveBeenCalledWith('storage.not-withdrawn', expect.anything())
})
