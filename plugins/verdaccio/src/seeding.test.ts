import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { digestOf, findDigest, isCatalogError } from '@catalog-p2p/core'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createFakeNode, type FakeNode } from '../../../test/support/fake-node.ts'
import { createCounters, type Counters } from './counters.ts'
import { seedExisting } from './seed-existing.ts'
import { createSeeder, type Seeder } from './seeding.ts'
import { createStoredTarballs } from './stored-tarball.ts'
import type { LocalStorage, TarballStream } from './verdaccio.ts'
import { createUnpublishSync } from './unpublish-sync.ts'

const never = { signal: new AbortController().signal }
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

let node: FakeNode
let counters: Counters
let files: Map<string, Buffer>
let manifests: Map<string, object>
let localStorage: LocalStorage
let privateNames: Set<string>
let seeder: Seeder

beforeEach(() => {
  vi.clearAllMocks()
  node = createFakeNode()
  counters = createCounters()
  files = new Map()
  manifests = new Map()
  privateNames = new Set()
  localStorage = {
    addTarball: vi.fn(),
    removeTarball: vi.fn(),
    removePackage: vi.fn(),
    getPackageMetadataAsync: async (name) => {
      const found = manifests.get(name)
      if (found === undefined) throw new Error('no such package')
      return found
    },
    getTarball: (name, filename) => {
      const content = files.get(`${name}/${filename}`)
      const stream: TarballStream & PassThrough = Object.assign(new PassThrough(), {
        abort: vi.fn(),
      })
      setImmediate(() => {
        if (content === undefined) return stream.emit('error', new Error('no such file'))
        stream.emit('content-length', content.length)
        return stream.end(content)
      })
      return stream
    },
    storagePlugin: {
      search(onPackage: (item: object, next: () => void) => void, onEnd: (error: null) => void) {
        const names = [...manifests.keys(), 'folder-that-is-no-package']
        const visit = (): void => {
          const name = names.shift()
          if (name === undefined) onEnd(null)
          else onPackage({ name }, visit)
        }
        visit()
      },
    },
  }
  const running = {
    node,
    toDigest: findDigest,
    isMismatch: (error: unknown) => isCatalogError(error, 'DIGEST_MISMATCH'),
  }
  const privacy = {
    isPublic: (name: string, { isProxied }: { isProxied: boolean }) =>
      (isProxied || name === 'mine') && !privateNames.has(name),
    isProxiedPublic: () => true,
    proxiesOf: () => [],
  }
  const stored = createStoredTarballs(localStorage)
  const parts = { localStorage, files: stored, counters, log, node: Promise.resolve(running) }
  const unpublishSync = createUnpublishSync(parts)
  seeder = createSeeder({ ...parts, privacy, unpublishSync })
})

/** A package of one version with one file, as an uplink told of it. */
function store(name: string, content: Buffer, dist?: { shasum?: string }): string {
  const filename = `${name}-1.0.0.tgz`
  const tarball = `https://host.example/${name}/-/${filename}`
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`
  const shasum = createHash('sha1').update(content).digest('hex')
  const sha = dist === undefined ? shasum : dist.shasum
  manifests.set(name, {
    versions: { '1.0.0': { dist: { tarball, ...(dist ?? { integrity, shasum }) } } },
    _distfiles: { [filename]: { url: tarball, registry: 'main', sha } },
    _attachments: { [filename]: {} },
  })
  files.set(`${name}/${filename}`, content)
  return filename
}

const bytes = Buffer.from('a tarball')

describe('one tarball', () => {
  test('is taken over, once', async () => {
    const file = store('fx', bytes)
    expect(await seeder.seed('fx', file, never)).toBe('seeded')
    expect(node.stored.get(digestOf(bytes))?.visibility).toBe('public')
    expect(node.asked[0]?.peers).toBe(false)
    expect(await seeder.seed('fx', file, never)).toBe('present')
    expect(counters.seeded).toBe(1)
  })

  test('known by its sha1 is checked by it, and hashed', async () => {
    const shasum = createHash('sha1').update(bytes).digest('hex')
    expect(await seeder.seed('fx', store('fx', bytes, { shasum }), never)).toBe('seeded')
    expect(node.has(digestOf(bytes))).toBe(true)
    const wrong = store('odd', bytes, { shasum: 'a'.repeat(40) })
    expect(await seeder.seed('odd', wrong, never)).toBe('damaged')
  })

  test('of other bytes than its metadata names stays out, and is named', async () => {
    const file = store('fx', bytes)
    files.set(`fx/${file}`, Buffer.from('other bytes'))
    expect(await seeder.seed('fx', file, never)).toBe('damaged')
    expect(node.stored.size).toBe(0)
    expect(log.warn).toHaveBeenCalledWith(
      'seeding.damaged',
      expect.objectContaining({ package: 'fx@1.0.0', file }),
    )
  })

  test('that is private, or that nothing vouches for, is left', async () => {
    privateNames.add('fx')
    expect(await seeder.seed('fx', store('fx', bytes), never)).toBe('left')
    expect(await seeder.seed('bare', store('bare', bytes, {}), never)).toBe('left')
    expect(node.asked).toEqual([])
  })

  test('that was published over a proxied one is left', async () => {
    const file = store('fx', bytes)
    const integrity = `sha512-${createHash('sha512').update('ours').digest('base64')}`
    const shasum = createHash('sha1').update('ours').digest('hex')
    const tarball = `https://host.example/fx/-/${file}`
    Object.assign(manifests.get('fx') ?? {}, {
      versions: { '1.0.0': { dist: { tarball, integrity, shasum } } },
    })
    files.set(`fx/${file}`, Buffer.from('ours'))
    expect(await seeder.seed('fx', file, never)).toBe('left')
  })

  test('that was published here a moment ago has no metadata yet, and is hashed', async () => {
    manifests.set('mine', { versions: {}, _attachments: {} })
    files.set('mine/mine-1.0.0.tgz', bytes)
    seeder.stored('mine', 'mine-1.0.0.tgz')
    await vi.waitFor(() => expect(node.has(digestOf(bytes))).toBe(true))
  })
})

test('what has been stored is seeded one after the other, and a failure does not stop it', async () => {
  seeder.stored('gone', 'gone-1.0.0.tgz')
  seeder.stored('fx', store('fx', bytes))
  await vi.waitFor(() => expect(counters.seeded).toBe(1))
  expect(log.warn).toHaveBeenCalledWith(
    'seeding.failed',
    expect.objectContaining({ package: 'gone' }),
  )
  seeder.stored('fx2', store('fx2', Buffer.from('another')))
  await vi.waitFor(() => expect(counters.seeded).toBe(2))
})

describe('removing', () => {
  test('takes back what the files held, though their version is out of the metadata', async () => {
    const file = store('fx', bytes)
    await seeder.seed('fx', file, never)
    manifests.set('fx', { versions: {}, _attachments: { [file]: {} } })
    const withdraw = await seeder.removing('fx', 'all')
    expect(node.has(digestOf(bytes))).toBe(true)
    withdraw()
    await vi.waitFor(() => expect(counters.withdrawn).toBe(1))
    expect(node.has(digestOf(bytes))).toBe(false)
  })

  test('of what was never there, or never seeded, takes nothing back', async () => {
    const file = store('fx', bytes)
    const withdraw = await seeder.removing('fx', [file, 'absent.tgz'])
    withdraw()
    await new Promise(setImmediate)
    expect(counters.withdrawn).toBe(0)
  })
})

describe('the storage of before', () => {
  const options = { perSecond: 10_000, ...never }

  async function seedAll(): Promise<void> {
    const running = { node, toDigest: findDigest, isMismatch: () => false }
    await seedExisting({ localStorage, seeder, running, log }, options)
  }

  test('is walked through, whatever lies there', async () => {
    for (let i = 0; i < 50; i += 1) store(`fx-${i}`, Buffer.from(`tarball ${i}`))
    privateNames.add('fx-7')
    files.delete('fx-8/fx-8-1.0.0.tgz')
    await seedAll()
    expect(node.stored.size).toBe(48)
    expect(log.info).toHaveBeenCalledWith(
      'seeding.existing',
      expect.objectContaining({ seeded: 48, left: 1, damaged: 0 }),
    )
  })

  test('stops where the quota is reached', async () => {
    for (let i = 0; i < 10; i += 1) store(`fx-${i}`, Buffer.alloc(1000, i))
    const { stats } = node
    node.stats = () => {
      const now = stats()
      return { ...now, store: { ...now.store, quotaBytes: 5000 } }
    }
    await seedAll()
    expect(node.stored.size).toBe(5)
    expect(String(vi.mocked(log.info).mock.calls.at(-1)?.[1].next)).toContain(
      'the quota is reached',
    )
  })

  test('of a plugin that can not list it is seeded as it is asked for', async () => {
    Object.assign(localStorage, { storagePlugin: {} })
    await seedAll()
    expect(log.warn).toHaveBeenCalledWith('seeding.no-list', expect.anything())
  })
})
