/**
 * Bytes that change under the store's feet, whatever their length: a flipped bit, another file under the name, a folder out of
 * a CI cache. What no longer looks as it did is hashed, once, before a byte of it is given; what is damaged is a miss.
 */
import { cp, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createNode, type CatalogNode } from '@catalog-p2p/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeBytes } from '../../core/src/content/manifest.ts'
import { openDatabase } from '../../core/src/disk/database.ts'
import { createNodeFiles } from '../../core/src/store/fs/files.ts'
import { FsIndex } from '../../core/src/store/fs/index-rows.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import type { Store } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, plain, type Blob } from '../support/blobs.ts'
import {
  createFsWorld,
  digestsOf,
  hashedAgain,
  putAll,
  type FsWorld,
} from '../support/fs-store-world.ts'

const MiB = 1024 * 1024
const PUBLIC = { visibility: 'public' } as const
const WAYS = [
  ['through the pool', false],
  ['by its thread', true],
] as const

/** The clock of a file system has a pace of its own: two changes within one of its ticks look the same. */
async function tick(world: FsWorld, path: string): Promise<void> {
  const probe = join(world.path, 'probe')
  const { ctimeNs } = await stat(path, { bigint: true })
  await vi.waitFor(
    async () => {
      await writeFile(probe, '')
      expect((await stat(probe, { bigint: true })).ctimeNs).toBeGreaterThan(ctimeNs)
    },
    { timeout: 10_000, interval: 1 },
  )
}

type Damage = (world: FsWorld, made: Blob) => Promise<void>

const flip: Damage = async (world, { digest }) => {
  const path = world.layout.artifact(digest)
  const bytes = await readFile(path)
  const at = bytes.byteLength >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  await tick(world, path)
  await writeFile(path, bytes)
}

/** As a cache or a backup puts it there: with the old file's times, as far as they can be set. */
const swap: Damage = async (world, { digest, bytes }) => {
  const path = world.layout.artifact(digest)
  const { atime, mtime } = await stat(path)
  const other = join(world.path, 'other')
  await tick(world, path)
  await writeFile(other, blob(bytes.byteLength, 99).bytes)
  await utimes(other, atime, mtime)
  await rename(other, path)
}

async function filled(world: FsWorld, blobs: readonly Blob[]): Promise<void> {
  const store = await world.open()
  await putAll(store, blobs)
  await store.flush()
  await store.stop()
}

/** Another folder with the same files, times and all, as `cp -a` or a CI cache makes it. */
async function restoredCopy(world: FsWorld): Promise<FsWorld> {
  const copy = await createFsWorld()
  await cp(world.path, copy.path, { recursive: true, preserveTimestamps: true })
  return copy
}

async function expectGiven(store: Store, { digest, bytes }: Blob): Promise<void> {
  expect(Buffer.compare(await store.read(digest), bytes)).toBe(0)
}

describe.each([
  ['a flipped bit', flip],
  ['another file of the same size', swap],
] as const)('%s', (_, damage) => {
  test.each(WAYS)('is never given, %s, and can be stored again', async (_way, ownThread) => {
    const world = await createFsWorld()
    const store = await world.open({ ownThread })
    const removed: string[] = []
    store.onEvent((event) => event.type === 'removed' && removed.push(event.digest))
    const small = blob(200_000, 1)
    const large = blob(3 * MiB, 2)
    for (const [made, range] of [
      [small, undefined],
      [small, { start: 10, end: 20 }],
      [large, undefined],
      [large, { start: 10, end: 20 }],
      [large, { start: 10, end: 3 * MiB }],
    ] as const) {
      await putAll(store, [made])
      await store.flush()
      await damage(world, made)
      const { digest } = made
      await expect(store.read(digest, range)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
      expect(removed.splice(0)).toEqual([digest])
      await expect(store.read(digest, range)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.flush()
      await expect(stat(world.layout.artifact(digest))).rejects.toMatchObject({ code: 'ENOENT' })
      await putAll(store, [made])
      await store.flush()
      await expectGiven(store, made)
    }
    const corrupt = world.log.lines.filter(({ event }) => event === 'store.corrupt')
    expect(corrupt).toHaveLength(5)
    expect(hashedAgain(world)).toEqual([])
  })

  test.each([200_000, 3 * MiB])('of %i bytes is not confirmed', async (size) => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(size)
    await putAll(store, [made])
    await store.flush()
    expect(await store.confirm(made.digest)).toBe(true)
    await damage(world, made)
    expect(await store.confirm(made.digest)).toBe(false)
    expect(store.has(made.digest)).toBe(false)
  })

  test('that happened while nobody had the store is found by the next who reads', async () => {
    const world = await createFsWorld()
    const [bad, good] = [blob(50_000, 1), blob(50_000, 2)]
    await filled(world, [bad, good])
    await damage(world, bad)
    const store = await world.open({ ownThread: true })
    await expect(store.read(bad.digest)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await expectGiven(store, good)
    expect(digestsOf(store)).toEqual([good.digest])
  })
})

test('a node takes elsewhere what has rotted, and then has it again', async () => {
  const world = await createFsWorld()
  const open = async (): Promise<CatalogNode> =>
    createNode({
      store: { path: world.path, memoryBytes: 0 },
      network: { loopbackOnly: true, port: 0, quic: false, mdns: false, dht: false },
    })
  const blobs = [blob(50_000, 1), blob(3 * MiB, 2)]
  const sourceOf = async (node: CatalogNode, { digest, bytes }: Blob): Promise<string> => {
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes
    }
    const origin = { open: async () => ({ size: bytes.byteLength, body: body() }) }
    const artifact = await node.get(digest, { origin: { ...origin, visibility: 'public' } })
    const got: Uint8Array[] = []
    for await (const piece of artifact.body) got.push(piece)
    expect(Buffer.compare(Buffer.concat(got), bytes)).toBe(0)
    return artifact.source
  }
  for (const [damage, expected] of [
    [undefined, 'origin'],
    [undefined, 'store'],
    [flip, 'origin'],
    [swap, 'origin'],
    [undefined, 'store'],
  ] as const) {
    if (damage) for (const made of blobs) await damage(world, made)
    const node = await open() // and so everything was on disk
    try {
      for (const made of blobs) expect(await sourceOf(node, made)).toBe(expected)
    } finally {
      await node.close()
    }
  }
})

describe('hashed once', () => {
  const blobs = [blob(0), blob(1000, 1), blob(200_000, 2), blob(3 * MiB, 3)]
  const digests = blobs.map(({ digest }) => digest)

  test('not at all, while it lies where it was written', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const download = blob(5 * CHUNK_SIZE, 4)
    const { manifest, leaves } = describeBytes(download.digest, download.bytes, CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    for (let index = 0; index < 5; index += 1) {
      const [start, end] = [index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE]
      await partial.writeChunk(index, download.bytes.subarray(start, end))
    }
    await partial.commit({ verified: true })
    await putAll(store, blobs)
    await store.pin(digests[1] ?? download.digest, true) // written, not yet synced
    for (const made of [download, ...blobs]) await expectGiven(store, made)
    await store.flush()
    await store.stop()
    const again = await world.open({ ownThread: true })
    for (const made of [download, ...blobs]) await expectGiven(again, made)
    expect(hashedAgain(world)).toEqual([])
  })

  test.each(WAYS)('out of a CI cache, %s, whoever asks at the same time', async (_, ownThread) => {
    const world = await createFsWorld()
    await filled(world, blobs)
    const copy = await restoredCopy(world)
    const store = await copy.open({ ownThread })
    expect(hashedAgain(copy)).toEqual([])
    await Promise.all([...blobs, ...blobs].map((made) => expectGiven(store, made)))
    const large = blobs[3] ?? blob(0)
    const parts = [0, 1, 2].map((n) => store.read(large.digest, { start: n, end: (n + 1) * MiB }))
    for (const part of await Promise.all(parts)) expect(part.byteLength).toBeGreaterThan(MiB - 1)
    expect(hashedAgain(copy).sort()).toEqual([...digests].sort())
    await store.stop()
    const again = await copy.open({ ownThread })
    for (const made of blobs) await expectGiven(again, made)
    expect(hashedAgain(copy)).toHaveLength(blobs.length)
  })

  test.each(WAYS)('for parts of a large one, %s', async (_, ownThread) => {
    const world = await createFsWorld()
    const large = blobs[3] ?? blob(0)
    await filled(world, [large])
    const copy = await restoredCopy(world)
    const store = await copy.open({ ownThread })
    const parts = await Promise.all(
      [0, 1, 2].map((n) => store.read(large.digest, { start: n * MiB, end: (n + 1) * MiB })),
    )
    expect(Buffer.compare(Buffer.concat(parts), large.bytes)).toBe(0)
    expect(hashedAgain(copy)).toEqual([large.digest])
  })

  test('by verify as well as by a reader', async () => {
    const world = await createFsWorld()
    await filled(world, blobs)
    const copy = await restoredCopy(world)
    const store = await copy.open()
    expect(await store.verify({})).toMatchObject({ checked: blobs.length, corrupt: [] })
    await store.stop()
    const again = await copy.open()
    for (const made of blobs) await expectGiven(again, made)
    expect(hashedAgain(copy)).toEqual([])
  })

  test('by those who have a store of an earlier version, which noted nothing', async () => {
    const world = await createFsWorld()
    await filled(world, blobs)
    const index = await openDatabase(world.layout.database)
    index.exec('ALTER TABLE entries DROP COLUMN mark')
    index.exec('ALTER TABLE entries DROP COLUMN retention')
    index.exec('PRAGMA user_version = 1')
    index.close()
    const store = await world.open()
    for (const made of [...blobs, ...blobs]) await expectGiven(store, made)
    expect(hashedAgain(world)).toEqual(digests)
    await store.stop()
    const again = await world.open()
    for (const made of blobs) await expectGiven(again, made)
    expect(hashedAgain(world)).toEqual(digests)
    expect(Array.from(again.entries(), ({ retention }) => retention)).toEqual(
      blobs.map(() => 'cache'),
    )
  })

  test('with how long it is kept, however it came', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const [own, replica, cached] = [blob(1000, 1), blob(1000, 2), blob(1000, 3)]
    await store.put(own.digest, own.bytes, { visibility: 'private', retention: 'own' })
    const geometry = { digest: replica.digest, size: 1000, chunkSize: CHUNK_SIZE }
    const options = { visibility: 'public', retention: 'replica' } as const
    const partial = await store.openPartial(geometry, undefined, options)
    await partial.writeChunk(0, replica.bytes)
    await partial.commit({ verified: true })
    await store.put(cached.digest, cached.bytes, { visibility: 'public' })
    await store.flush()
    await store.put(cached.digest, cached.bytes, { visibility: 'public', retention: 'own' })
    await store.stop()
    const again = await world.open()
    expect(again.entry(own.digest)?.retention).toBe('own')
    expect(again.entry(replica.digest)?.retention).toBe('replica')
    expect(again.entry(cached.digest)?.retention).toBe('own')
  })

  test('of an earlier version, and in a folder that may only be read: nothing is noted', async () => {
    const world = await createFsWorld()
    await filled(world, blobs)
    const { database } = world.layout
    const marksOf = (index: FsIndex) => Array.from(index.entries(), ({ mark }) => typeof mark)
    const marked = await FsIndex.openReadOnly(database)
    expect(marksOf(marked)).toEqual(blobs.map(() => 'string'))
    marked.close()
    const older = await openDatabase(database)
    older.exec('ALTER TABLE entries DROP COLUMN mark')
    older.exec('ALTER TABLE entries DROP COLUMN retention')
    older.close()
    const index = await FsIndex.openReadOnly(database)
    expect(marksOf(index)).toEqual(blobs.map(() => 'undefined'))
    index.close()
  })

  test('a file that changes each time anew is not relied on', async () => {
    const world = await createFsWorld()
    const large = blobs[3] ?? blob(0)
    await filled(world, [large])
    const real = createNodeFiles()
    let seconds = 1
    const files = {
      ...real,
      open: async (...rest: Parameters<typeof real.open>) => {
        if (rest[1] === 'read') await utimes(rest[0], seconds, (seconds += 1))
        return await real.open(...rest)
      },
    }
    const options = { path: world.path, quotaBytes: 1e9, chunkSize: CHUNK_SIZE }
    const memory = { memoryBytes: 0 }
    const deps = { clock: world.clock, log: world.log, files }
    const store = createFsStore(deps, { ...options, ...memory })
    onTestFinished(() => store.stop())
    await store.start()
    const reading = store.read(large.digest, { start: 0, end: MiB })
    await expect(reading).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(hashedAgain(world)).toHaveLength(3)
  })
})

describe('a file that can not be read', () => {
  test.each([
    { errno: 'EIO', code: 'STORE_CORRUPT', isKept: false, why: 'the disk has lost it' },
    { errno: 'EACCES', code: 'STORE_FAILED', isKept: true, why: 'it may be whole' },
  ])('$errno is $code: $why', async ({ errno, code, isKept }) => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(1000)
    await putAll(store, [made])
    await store.flush()
    world.files.fail(['open'], errno)
    await expect(store.read(made.digest)).rejects.toMatchObject({ code })
    expect(store.has(made.digest)).toBe(isKept)
  })
})

test('leaves that have rotted in the index are computed anew', async () => {
  const world = await createFsWorld()
  const made = blob(4 * CHUNK_SIZE)
  const described = plain(describeBytes(made.digest, made.bytes, CHUNK_SIZE))
  const store = await world.open()
  await putAll(store, [made])
  expect(plain(await store.describe(made.digest))).toEqual(described)
  await store.stop()
  const index = await openDatabase(world.layout.database)
  const { changes } = index.prepare('UPDATE entries SET leaves = zeroblob(length(leaves))').run()
  index.close()
  expect(changes).toBe(1)
  const again = await world.open()
  expect(plain(await again.describe(made.digest))).toEqual(described)
})
