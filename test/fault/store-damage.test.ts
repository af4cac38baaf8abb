/**
 * Files and index that are not as they were left: flipped bits, lost files, lost rows, power failures, strangers. Nothing
 * wrong is ever served, and whatever is sound is kept. And what must survive a restart does.
 */
import { cp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { digestOf, type Digest } from '../../core/src/content/digest.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import { openDatabase } from '../../core/src/disk/database.ts'
import { FsIndex } from '../../core/src/store/fs/index-rows.ts'
import type { Store } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, plain, plainTable, type Blob } from '../support/blobs.ts'
import {
  createFsWorld,
  digestsOf,
  hashedAgain,
  putAll,
  type FsWorld,
} from '../support/fs-store-world.ts'

const PUBLIC = { visibility: 'public' } as const
const DAY_MS = 24 * 3600 * 1000

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  await writeFile(path, bytes)
}

async function restarted(world: FsWorld, store: Store): Promise<Store> {
  await store.stop()
  return await world.open()
}

/** What a kill leaves: the folder as it is now, without the goodbyes of `stop`. */
async function killedCopy(world: FsWorld): Promise<FsWorld> {
  const copy = await createFsWorld()
  await cp(world.path, copy.path, { recursive: true })
  return copy
}

/** As a volume may leave it that was lost and mounted again: it looks as its row says, and has none of its bytes. */
async function zeroUnseen({ layout, files }: FsWorld, digest: Digest): Promise<void> {
  const path = layout.artifact(digest)
  await writeFile(path, Buffer.alloc((await stat(path)).size))
  const index = await FsIndex.open(layout.database)
  const mark = await files.mark(path)
  const rows = [...index.entries()].filter((row) => row.digest === digest)
  index.apply({ entries: rows.map((row) => ({ ...row, mark })) })
  index.close()
}

/** Files, since the last time. */
function opened(world: FsWorld): number {
  return world.files.take().filter((line) => line.startsWith('open')).length
}

describe('an artifact whose file', () => {
  test('has a flipped bit is found by verify, dropped, and can be stored again', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const [bad, good] = [blob(200_000, 1), blob(200_000, 2)]
    await putAll(store, [bad, good])
    await store.flush()
    await flipByte(world.layout.artifact(bad.digest), 123_456)
    const removed: string[] = []
    store.onEvent((event) => event.type === 'removed' && removed.push(event.digest))
    expect(await store.verify({})).toEqual({
      ...{ checked: 2, bytes: 400_000 },
      corrupt: [bad.digest],
    })
    expect(removed).toEqual([bad.digest])
    await expect(store.read(bad.digest)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await store.flush()
    await expect(stat(world.layout.artifact(bad.digest))).rejects.toMatchObject({ code: 'ENOENT' })
    await putAll(store, [bad])
    await store.flush()
    expect(await store.verify({})).toMatchObject({ checked: 2, corrupt: [] })
  })

  test.for([
    ['is shorter', (path: string) => truncate(path, 100_000)],
    ['is longer', (path: string) => writeFile(path, Buffer.alloc(9), { flag: 'a' })],
    ['is gone', (path: string) => rm(path)],
  ] as const)('%s is STORE_CORRUPT once, then absent', async ([, damage]) => {
    const world = await createFsWorld()
    const store = await world.open()
    const large = blob(3 * 1024 * 1024, 3)
    for (const { range, made } of [
      { made: blob(200_000, 1), range: undefined },
      { made: blob(200_000, 2), range: { start: 10, end: 20 } },
      { made: large, range: { start: 10, end: 20 } },
    ]) {
      await putAll(store, [made])
      await store.flush()
      await damage(world.layout.artifact(made.digest))
      const corrupt = { code: 'STORE_CORRUPT' }
      await expect(store.read(made.digest, range)).rejects.toMatchObject(corrupt)
      expect(store.has(made.digest)).toBe(false)
      await expect(store.read(made.digest, range)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await putAll(store, [made])
      expect(digestOf(await store.read(made.digest))).toBe(made.digest)
    }
  })
})

describe('at start-up', () => {
  test('a row without its file is dropped', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const [lost, kept] = [blob(10, 1), blob(20, 2)]
    await putAll(store, [lost, kept])
    await store.flush()
    await store.stop()
    await rm(world.layout.artifact(lost.digest))
    const again = await world.open()
    expect(digestsOf(again)).toEqual([kept.digest])
    expect(again.usage()).toMatchObject({ artifacts: 1, bytes: 20 })
  })

  test('a file that was not on the disk itself is hashed before a byte of it is given', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const [zeroed, whole] = [blob(50_000, 1), blob(50_000, 2)]
    const large = blob(3 * 1024 * 1024, 4)
    const { manifest, leaves } = describeBytes(...pair(blob(CHUNK_SIZE, 3)), CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    await partial.writeChunk(0, blob(CHUNK_SIZE, 3).bytes)
    await partial.commit({ verified: true })
    await putAll(store, [zeroed, whole, large])
    await store.pin(whole.digest, true) // written, but the clock stands still: nothing is synced
    const after = await killedCopy(world)
    // What a file system may leave of unsynced files when the power goes: the right length and times, and zeros.
    const lost = [zeroed.digest, manifest.digest, large.digest]
    for (const digest of lost) await zeroUnseen(after, digest)
    after.files.take()
    const again = await after.open()
    expect(opened(after)).toBe(0)
    const corrupt = { code: 'STORE_CORRUPT' }
    for (const digest of lost) {
      await expect(again.read(digest, { start: 5, end: 9 })).rejects.toMatchObject(corrupt)
    }
    expect(digestOf(await again.read(whole.digest))).toBe(whole.digest)
    expect(digestsOf(again)).toEqual([whole.digest])
    expect(again.entry(whole.digest)).toMatchObject({ pinned: true, visibility: 'public' })
    await again.flush()
    expect(await readdir(after.layout.shard(zeroed.digest))).toEqual([])
  })

  test('a synced file is not read', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    await putAll(store, [blob(50_000, 1), blob(50_000, 2)])
    await store.flush()
    await store.stop()
    world.files.take()
    await world.open()
    expect(world.files.take().filter((line) => line.startsWith('open'))).toEqual([])
  })

  test('a file that was not synced is hashed after every restart until it is', async () => {
    const world = await createFsWorld()
    const made = blob(50_000, 1)
    let store = await world.open()
    await putAll(store, [made])
    await store.stop() // the clock stands still: nothing is synced in the background
    expect(world.files.take().filter((line) => line.startsWith('sync'))).toEqual([])
    for (let start = 0; start < 3; start += 1) {
      store = await world.open()
      if (start > 1) await store.flush() // synced
      expect(opened(world)).toBe(0)
      for (let read = 0; read < 2; read += 1) {
        expect(digestOf(await store.read(made.digest))).toBe(made.digest)
      }
      expect(hashedAgain(world)).toHaveLength(start + 1)
      await store.stop()
      world.files.take()
    }
    store = await world.open()
    expect(digestOf(await store.read(made.digest))).toBe(made.digest)
    expect(hashedAgain(world)).toHaveLength(3)
  })

  test('a file without a row is adopted as private, or removed when it lies', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const [orphan, liar] = [blob(50_000, 1), blob(50_000, 2)]
    await putAll(store, [orphan, liar])
    await store.flush()
    await store.stop()
    await rm(world.layout.database)
    await flipByte(world.layout.artifact(liar.digest), 5)
    const stranger = join(world.layout.shard(orphan.digest), 'notes.txt')
    await writeFile(stranger, 'not ours')
    const again = await world.open()
    const events: unknown[] = []
    again.onEvent((event) => events.push(event))
    await again.flush()
    expect(digestsOf(again)).toEqual([orphan.digest])
    expect(again.entry(orphan.digest)).toMatchObject({ visibility: 'private', size: 50_000 })
    expect(events).toHaveLength(1)
    expect(await readFile(stranger, 'utf8')).toBe('not ours')
    await expect(stat(world.layout.artifact(liar.digest))).rejects.toMatchObject({ code: 'ENOENT' })
    const third = await restarted(world, again)
    expect(digestsOf(third)).toEqual([orphan.digest])
  })

  test.each([
    ['is no database', () => Buffer.alloc(4_096, 'this is no database, whatever its name says. ')],
    ['has damaged pages', (bytes: Buffer) => bytes.fill(0xa5, 4_096)],
  ])('an index that %s is put aside and made anew from the files', async (_, damaged) => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(50_000, 1)
    await putAll(store, [made])
    await store.flush()
    await store.stop()
    await writeFile(world.layout.database, damaged(await readFile(world.layout.database)))
    const again = await world.open()
    await again.flush()
    expect(digestsOf(again)).toEqual([made.digest])
    expect(world.log.lines.map(({ event }) => event)).toContain('store.index-damaged')
    expect(await readdir(world.path)).toContain('store.sqlite.damaged')
  })

  test('a download killed between its rename and its row keeps visibility and leaves', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(3 * CHUNK_SIZE, 1)
    const described = describeBytes(made.digest, made.bytes, CHUNK_SIZE)
    const partial = await store.openPartial(described.manifest, described.leaves, PUBLIC)
    for (const index of [0, 1, 2]) {
      await partial.writeChunk(
        index,
        made.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE),
      )
    }
    const after = await killedCopy(world)
    await after.files.makeFolder(after.layout.shard(made.digest))
    await rename(after.layout.partial(made.digest), after.layout.artifact(made.digest))
    const again = await after.open()
    await again.flush()
    expect(again.entry(made.digest)).toMatchObject({
      visibility: 'public',
      size: made.bytes.length,
    })
    expect(plain(await again.describe(made.digest))).toEqual(plain(described))
    expect(await again.findPartial(made.digest)).toBeUndefined()
    await partial.discard()
  })

  test('temporary files and nameless partials are removed', async () => {
    const world = await createFsWorld()
    await (await world.open()).stop()
    const stray = world.layout.partial(blob(5).digest)
    await writeFile(stray, 'xxxxx')
    await writeFile(world.layout.temporaryFile(1), 'half of someth')
    const again = await world.open()
    expect(await readdir(world.layout.temporary)).toEqual([])
    expect(await readdir(world.layout.partials)).toEqual([])
    await putAll(again, [blob(5)]) // its temporary file has the name of the one that was left
    await again.flush()
    expect(again.usage().artifacts).toBe(1)
  })
})

describe('an unfinished download', () => {
  async function unfinished(store: Store): Promise<Blob> {
    const made = blob(4 * CHUNK_SIZE, 9)
    const { manifest, leaves } = describeBytes(...pair(made), CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    for (const index of [0, 1, 3]) {
      await partial.writeChunk(
        index,
        made.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE),
      )
    }
    await partial.suspend()
    return made
  }

  test('is resumed after a restart, each chunk hashed before it is believed', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = await unfinished(store)
    await store.stop()
    await flipByte(world.layout.partial(made.digest), CHUNK_SIZE + 77)
    const again = await world.open()
    expect(again.usage().partialBytes).toBe(3 * CHUNK_SIZE)
    const found = await again.findPartial(made.digest)
    expect(plainTable(found)).toEqual(plainTable(describeBytes(...pair(made), CHUNK_SIZE)))
    if (found === undefined) throw new Error('unreachable: compared above')
    const partial = await again.openPartial(found.geometry, found.leaves, PUBLIC)
    expect([0, 1, 2, 3].filter((index) => partial.hasChunk(index))).toEqual([0, 3])
    for (const index of [1, 2]) {
      await partial.writeChunk(
        index,
        made.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE),
      )
    }
    await partial.commit({ verified: false })
    expect(digestOf(await again.read(made.digest))).toBe(made.digest)
  })

  test('whose file is cut short or gone starts over where it must', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = await unfinished(store)
    await store.stop()
    await truncate(world.layout.partial(made.digest), CHUNK_SIZE + 5)
    const again = await world.open()
    const { manifest, leaves } = describeBytes(...pair(made), CHUNK_SIZE)
    const partial = await again.openPartial(manifest, leaves, PUBLIC)
    expect([0, 1, 2, 3].filter((index) => partial.hasChunk(index))).toEqual([0])
    await partial.suspend()
    await rm(world.layout.partial(made.digest))
    const third = await again.openPartial(manifest, leaves, PUBLIC)
    expect(third.present).toBe(0)
  })

  test('that nobody wants for a week is removed', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = await unfinished(store)
    await world.clock.advance(7 * DAY_MS - 1)
    expect(await store.prune({})).toEqual({ removed: 0, freed: 0 })
    await world.clock.advance(1)
    expect(await store.prune({})).toEqual({ removed: 0, freed: 3 * CHUNK_SIZE })
    expect(await store.findPartial(made.digest)).toBeUndefined()
    expect(store.usage().partialBytes).toBe(0)
    await unfinished(store)
    await store.stop()
    await world.clock.advance(8 * DAY_MS)
    const again = await world.open()
    expect(again.usage().partialBytes).toBe(0)
    await again.stop()
    expect(await readdir(world.layout.partials)).toEqual([])
  })

  test('lives on a share of its own: it takes nothing from complete artifacts, nor they from it', async () => {
    const world = await createFsWorld()
    const store = await world.open({ quotaBytes: 20 * CHUNK_SIZE })
    const made = await unfinished(store)
    const all = [blob(10 * CHUNK_SIZE, 1), blob(10 * CHUNK_SIZE, 2)]
    await putAll(store, all)
    expect(digestsOf(store)).toHaveLength(2)
    expect(await store.findPartial(made.digest)).toBeDefined()
    // What nobody works on makes way for another claim.
    const { manifest, leaves } = describeBytes(...pair(blob(5 * CHUNK_SIZE, 4)), CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    for (const index of [0, 1, 2]) await partial.writeChunk(index, Buffer.alloc(CHUNK_SIZE))
    expect(await store.findPartial(made.digest)).toBeUndefined()
    expect(digestsOf(store)).toHaveLength(2)
  })

  test('that can not be resumed is gone at the next start', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const { manifest, leaves } = describeBytes(...pair(blob(5 * CHUNK_SIZE, 4)), CHUNK_SIZE)
    const partials = [
      await store.openPartial(manifest, leaves, PUBLIC),
      await store.openPartial(manifest, leaves, PUBLIC),
      await store.openPartial(manifest, undefined, PUBLIC),
    ]
    for (const partial of partials) await partial.writeChunk(0, Buffer.alloc(CHUNK_SIZE))
    expect(await readdir(world.layout.partials)).toHaveLength(3)
    const copy = await createFsWorld()
    await cp(world.layout.root, copy.layout.root, { recursive: true }) // as a kill leaves it
    await copy.open()
    expect(await readdir(copy.layout.partials)).toHaveLength(1)
  })
})

test('a download is not taken for the older copy that is being deleted', async () => {
  const world = await createFsWorld()
  const store = await world.open()
  const [made, other] = [blob(CHUNK_SIZE, 1), blob(10, 2)]
  const { manifest, leaves } = describeBytes(...pair(made), CHUNK_SIZE)
  const partial = await store.openPartial(manifest, leaves, PUBLIC)
  await partial.writeChunk(0, made.bytes)
  await putAll(store, [made, other])
  await store.flush()
  const release = world.files.hold(['remove'])
  const deleting = store.delete(made.digest)
  const committing = partial.commit({ verified: true })
  // Many trips to the disk and back: whatever does not wait for the delete has been done by then.
  for (let trip = 0; trip < 30; trip += 1) await store.read(other.digest)
  release()
  await Promise.all([deleting, committing])
  await store.flush()
  expect(await store.verify({})).toMatchObject({ checked: 2, corrupt: [] })
})

describe('after a restart', () => {
  test('everything is as it was: pins, visibility, order of use, descriptions', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const blobs = Array.from({ length: 5 }, (_, seed) => blob(10_000, seed))
    const [a, b, c] = blobs as [Blob, Blob, Blob]
    for (const each of blobs) {
      await putAll(store, [each], each === b ? 'private' : 'public')
      await world.clock.advance(10)
    }
    await store.pin(a.digest, true)
    await store.flush()
    await world.clock.advance(5)
    await store.read(c.digest)
    const described = plain(await store.describe(c.digest))
    const before = [...store.entries()]
    const again = await restarted(world, store)
    const byDigest = (x: { digest: string }, y: { digest: string }): number =>
      x.digest < y.digest ? -1 : 1
    expect([...again.entries()].sort(byDigest)).toEqual(before.sort(byDigest))
    expect(plain(await again.describe(c.digest))).toEqual(described)
    await again.prune({ targetBytes: 20_000 })
    expect(digestsOf(again).sort()).toEqual([a.digest, c.digest].sort())
  })

  test('a smaller quota is kept at once', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const blobs = Array.from({ length: 5 }, (_, seed) => blob(10_000, seed))
    await putAll(store, blobs)
    await store.stop()
    const again = await world.open({ quotaBytes: 25_000 })
    expect(again.usage().bytes).toBe(20_000)
  })
})

describe('a power failure', () => {
  test('is prepared for in the background, files before folders before rows', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(100, 1)
    await putAll(store, [made])
    await store.pin(made.digest, false) // written
    world.files.take()
    const steps: string[] = []
    await world.clock.advance(29_000)
    expect(world.files.take()).toEqual([]) // an install may go on
    await world.clock.advance(1000)
    await vi.waitFor(
      () => {
        steps.push(...world.files.take())
        expect(steps.some((step) => step.startsWith('syncFolder'))).toBe(true)
      },
      { timeout: 10_000 },
    )
    expect(steps).toEqual([
      `sync ${world.layout.artifact(made.digest)}`,
      `syncFolder ${world.layout.shard(made.digest)}`,
    ])
  })

  test('can not vouch by an old row for a new file', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const made = blob(100, 1)
    await putAll(store, [made])
    await store.flush() // its row is synced, and in the database itself
    const before = await readFile(world.layout.database)
    await store.delete(made.digest)
    await putAll(store, [made])
    await store.pin(made.digest, false)
    const after = await killedCopy(world)
    // What was not synced: the log of the index, and the bytes of the new file.
    await writeFile(after.layout.database, before)
    await rm(`${after.layout.database}-wal`)
    await writeFile(after.layout.artifact(made.digest), Buffer.alloc(100))
    // A copy looks like no other file; so must the new one where it was written.
    const index = await FsIndex.open(after.layout.database)
    const [row] = index.entries()
    index.close()
    expect(row).toMatchObject({ digest: made.digest, synced: true, mark: expect.any(String) })
    expect(await world.files.mark(world.layout.artifact(made.digest))).not.toBe(row?.mark)
    const again = await after.open()
    expect(digestsOf(again)).toEqual([made.digest])
    await expect(again.read(made.digest)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })

  test('leaves an index as it was at some moment, wherever its log ends', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const blobs = Array.from({ length: 8 }, (_, seed) => blob(100, seed))
    for (const made of blobs) {
      await putAll(store, [made])
      await store.pin(made.digest, true) // a transaction
    }
    const whole = await killedCopy(world)
    const log = await readFile(`${whole.layout.database}-wal`)
    const found = new Set<number>()
    for (let share = 0; share <= 16; share += 1) {
      const cutOff = await killedCopy(whole)
      // Behind what has reached the disk: nothing, or zeros.
      const length = Math.floor((log.byteLength * share) / 16)
      const rest = share % 2 === 0 ? 0 : log.byteLength - length
      const path = `${cutOff.layout.database}-wal`
      await writeFile(path, Buffer.concat([log.subarray(0, length), Buffer.alloc(rest)]))
      const index = await openDatabase(cutOff.layout.database)
      expect(index.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
      index.close()
      const digests = digestsOf(await cutOff.open())
      expect(digests).toEqual(blobs.slice(0, digests.length).map(({ digest }) => digest))
      found.add(digests.length)
    }
    expect(found.has(0) && found.has(8) && found.size > 2).toBe(true)
  })
})

function pair({ digest, bytes }: Blob): [Blob['digest'], Uint8Array] {
  return [digest, bytes]
}
