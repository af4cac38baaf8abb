/**
 * A store on artifacts that anybody may have written: right bytes or none, no file opened that is not a plain one, nothing written
 * or read through a link, and nothing else of that folder looked at.
 */
import { execFileSync } from 'node:child_process'
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import { createFsLayout, type FsLayout } from '../../core/src/store/fs/layout.ts'
import { takeOver } from '../../core/src/store/fs/take-over.ts'
import type { Store } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE, type Blob } from '../support/blobs.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { putAll } from '../support/fs-store-world.ts'

const posix = process.platform !== 'win32'
const blobs = Array.from({ length: 12 }, (_, index) => blob(2000 + index, 7))
const large = blob(2_000_000, 7)
const all = [...blobs, large]

interface World {
  /** What somebody else has filled. */
  readonly foreign: FsLayout
  readonly log: ReturnType<typeof createCollectingLogger>
  readonly clock: ReturnType<typeof createFakeClock>
  /** Somewhere else altogether. */
  readonly elsewhere: string
  open(options?: { quotaBytes?: number }): Promise<Store>
}

async function createWorld(): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'catalog-foreign-'))
  const [clock, log] = [createFakeClock(), createCollectingLogger()]
  const path = join(root, 'restored')
  const stores: Store[] = []
  onTestFinished(async () => {
    for (const store of stores) await store.stop()
    await rm(root, { recursive: true })
  })
  const options = { quotaBytes: 1e9, chunkSize: CHUNK_SIZE, memoryBytes: 0 }
  const first = createFsStore({ clock, log }, { ...options, path })
  await first.start()
  await putAll(first, all)
  await first.stop()
  const elsewhere = join(root, 'elsewhere')
  await mkdir(elsewhere)
  return {
    ...{ foreign: createFsLayout(path), log, clock, elsewhere },
    async open(more = {}) {
      const own = await mkdtemp(join(path, 'frozen-'))
      const store = createFsStore(
        { clock, log },
        { ...options, ...more, path: own, artifactsOf: path },
      )
      stores.push(store)
      await store.start()
      return store
    },
  }
}

async function outcome(store: Store, { digest, bytes }: Blob): Promise<string> {
  if (!store.has(digest)) return 'absent'
  try {
    const read = await store.read(digest)
    return Buffer.compare(read, bytes) === 0 ? 'right' : 'wrong'
  } catch (error) {
    return isCatalogError(error) ? error.code : String(error)
  }
}

test('what is whole is there, private, and hashed before it is given', async () => {
  const world = await createWorld()
  const store = await world.open()
  for (const each of all) {
    expect(store.entry(each.digest)).toMatchObject({ visibility: 'private', retention: 'cache' })
    expect(await outcome(store, each)).toBe('right')
  }
  const hashed = world.log.lines.filter(({ event }) => event === 'store.hashed-again')
  expect(hashed).toHaveLength(all.length)
})

test('the database there is not even opened', async () => {
  const world = await createWorld()
  const { database } = world.foreign
  await writeFile(database, 'no database at all')
  const before = await stat(database)
  const store = await world.open()
  expect(await outcome(store, large)).toBe('right')
  await store.stop()
  expect(await readFile(database, 'utf8')).toBe('no database at all')
  expect((await stat(database)).mtimeMs).toBe(before.mtimeMs)
})

test('what a job adds is there for the next one, and kept within the quota, the oldest first', async () => {
  const world = await createWorld()
  const first = await world.open()
  const added = blob(5000, 7)
  await putAll(first, [added])
  await first.stop()
  const oldest = world.foreign.artifact(large.digest)
  await utimes(oldest, 1, 1)
  const small = blobs.reduce((sum, { bytes }) => sum + bytes.length, added.bytes.length)
  const second = await world.open({ quotaBytes: small })
  expect(await outcome(second, added)).toBe('right')
  expect(await outcome(second, large)).toBe('absent')
  await second.flush()
  await expect(lstat(oldest)).rejects.toThrow('ENOENT')
})

test('other bytes of the same length and the same times, of every size', async () => {
  const world = await createWorld()
  for (const { digest, bytes } of all) {
    const file = world.foreign.artifact(digest)
    const { atime, mtime } = await stat(file)
    const other = Buffer.from(bytes)
    other.writeUInt8(other.readUInt8(other.length - 1) ^ 1, other.length - 1)
    await writeFile(file, other)
    await utimes(file, atime, mtime)
  }
  const store = await world.open()
  for (const each of all) expect(await outcome(store, each)).toBe('STORE_CORRUPT')
  // And once more, when it has been fetched again.
  await putAll(store, all)
  for (const each of all) expect(await outcome(store, each)).toBe('right')
})

test('lengths that are wrong, none, and huge', async () => {
  const world = await createWorld()
  const [short, empty, long, huge] = blobs
  if (!short || !empty || !long || !huge) throw new Error('too few')
  await truncate(world.foreign.artifact(short.digest), 10)
  await truncate(world.foreign.artifact(empty.digest), 0)
  await writeFile(
    world.foreign.artifact(long.digest),
    Buffer.concat([long.bytes, Buffer.from('x')]),
  )
  await truncate(world.foreign.artifact(huge.digest), 1e12) // a hole
  const store = await world.open()
  for (const each of [short, empty, long]) expect(await outcome(store, each)).toBe('STORE_CORRUPT')
  expect(await outcome(store, huge)).toBe('absent')
  expect(await outcome(store, large)).toBe('right')
})

test.runIf(posix)('links, pipes and folders in the place of files', async () => {
  const world = await createWorld()
  const [link, dangling, pipe, folder, closed, open] = blobs
  if (!link || !dangling || !pipe || !folder || !closed || !open) throw new Error('too few')
  const victim = join(world.elsewhere, 'victim')
  await writeFile(victim, link.bytes)
  const place = async ({ digest }: Blob): Promise<string> => {
    await rm(world.foreign.artifact(digest))
    return world.foreign.artifact(digest)
  }
  await symlink(victim, await place(link))
  await symlink(join(world.elsewhere, 'none'), await place(dangling))
  execFileSync('mkfifo', [await place(pipe)])
  await mkdir(join(await place(folder), 'in', 'it'), { recursive: true })
  await chmod(world.foreign.artifact(closed.digest), 0)
  await chmod(world.foreign.artifact(open.digest), 0o666)
  const store = await world.open()
  for (const each of [link, dangling, pipe, folder])
    expect(await outcome(store, each)).toBe('absent')
  for (const each of [closed, open]) {
    expect(await outcome(store, each)).toBe('right')
    expect((await stat(world.foreign.artifact(each.digest))).mode & 0o777).toBe(0o600)
  }
  // Fetched again, they are files.
  await putAll(store, [link, dangling, pipe, folder])
  await store.flush()
  for (const each of [link, dangling, pipe, folder]) {
    expect(await outcome(store, each)).toBe('right')
    expect((await lstat(world.foreign.artifact(each.digest))).isFile()).toBe(true)
  }
  expect(await readFile(victim)).toEqual(Buffer.from(link.bytes))
  expect(await readdir(world.elsewhere)).toEqual(['victim'])
})

test.runIf(posix)('folders that are links, to where files of the right names lie', async () => {
  for (const part of ['shard', 'artifacts'] as const) {
    const world = await createWorld()
    const [first] = blobs
    if (!first) throw new Error('none')
    const folder = {
      shard: dirname(world.foreign.artifact(first.digest)),
      artifacts: world.foreign.artifacts,
    }[part]
    const target = join(world.elsewhere, part)
    await cp(folder, target, { recursive: true })
    await rm(folder, { recursive: true })
    await symlink(target, folder)
    const before = await readdir(target, { recursive: true })
    const store = await world.open()
    expect(await outcome(store, first)).toBe('absent')
    await putAll(store, [first])
    await store.stop()
    expect((await lstat(folder)).isDirectory()).toBe(true)
    expect(await readdir(target, { recursive: true })).toEqual(before)
    const again = await world.open()
    expect(await outcome(again, first)).toBe('right')
  }
})

test('a folder of too many files costs no more than the bound', async () => {
  const world = await createWorld()
  const rows = await takeOver({ ...world, layout: world.foreign }, { maxBytes: 1e9, maxFiles: 5 })
  expect(rows.length).toBeLessThanOrEqual(5)
})

test('a time in the future is none: it would keep its file for ever', async () => {
  const world = await createWorld()
  const [young] = blobs
  if (!young) throw new Error('none')
  const later = new Date(world.clock.epochMs() + 1e12)
  await utimes(world.foreign.artifact(young.digest), later, later)
  const store = await world.open()
  expect(store.entry(young.digest)?.usedAtMs).toBeLessThanOrEqual(world.clock.epochMs())
})
