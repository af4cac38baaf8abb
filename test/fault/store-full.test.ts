/**
 * A disk that refuses: the store serves what it has, keeps nothing, says so once, and tries again a minute later. Injected
 * errors for each operation, and the real ones of a file-size limit and of a folder that may not be written.
 */
import { spawn } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MAX_BACKLOG_ITEMS } from '../../core/src/store/fs/writer.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import { blob, CHUNK_SIZE } from '../support/blobs.ts'
import {
  heedingModes,
  makeReadOnly,
  makeWritable,
  whyModesAreIgnored,
} from '../support/file-modes.ts'
import { createFsWorld, digestsOf, putAll, type FsWorld } from '../support/fs-store-world.ts'

const PUBLIC = { visibility: 'public' } as const
const MINUTE_MS = 60_000

const warnings = (world: FsWorld): string[] =>
  world.log.lines.filter(({ level }) => level === 'warn').map(({ event }) => event)

describe('a disk that refuses', () => {
  test.for([
    ['ENOSPC', 'create', 'space'],
    ['EDQUOT', 'create', 'quota'],
    ['EACCES', 'create', 'permissions'],
    ['EPERM', 'rename', 'permissions'],
    ['EROFS', 'rename', 'read-only'],
    ['EACCES', 'makeFolder', 'permissions'],
    ['EIO', 'create', 'disk'],
  ] as const)('with %s at %s degrades, once, until it recovers', async ([code, step, hint]) => {
    const world = await createFsWorld()
    const { files, clock, log } = world
    const store = await world.open()
    const old = blob(1000, 1)
    await putAll(store, [old])
    await store.flush()

    files.fail([step], code)
    const refused = Array.from({ length: 100 }, (_, seed) => blob(2000, 100 + seed))
    const events: string[] = []
    store.onEvent(({ type }) => events.push(type))
    await putAll(store, refused)
    await store.flush()
    expect(store.usage()).toMatchObject({ writable: false, artifacts: 1, bytes: 1000 })
    expect(digestsOf(store)).toEqual([old.digest])
    expect(events.filter((type) => type === 'added')).toHaveLength(
      events.filter((type) => type === 'removed').length,
    )
    expect(digestOf(await store.read(old.digest))).toBe(old.digest)

    // Silence: no attempt, no second line, whoever asks.
    files.take()
    await clock.advance(MINUTE_MS - 1)
    await putAll(store, refused)
    await store.flush()
    expect(files.take().filter((line) => line.startsWith('create'))).toEqual([])
    expect(warnings(world)).toEqual(['store.degraded'])
    const line = log.lines.find(({ event }) => event === 'store.degraded')
    expect(line?.facts).toMatchObject({ code, path: world.path })
    expect(line?.facts['hint']).toContain(hint)

    // One attempt a minute, which fails again.
    await clock.advance(1)
    await putAll(store, refused)
    await store.flush()
    expect(files.take().filter((each) => each.startsWith('create'))).toHaveLength(1)
    expect(store.usage().writable).toBe(false)

    files.heal()
    await clock.advance(MINUTE_MS)
    await putAll(store, [blob(10, 7)])
    await store.flush()
    expect(store.usage()).toMatchObject({ writable: true, artifacts: 2 })
    await putAll(store, refused)
    await store.flush()
    expect(store.usage().artifacts).toBe(102)
    expect(warnings(world)).toEqual(['store.degraded'])
    expect(log.lines.filter(({ event }) => event === 'store.recovered')).toHaveLength(1)
    expect(await store.verify({})).toMatchObject({ checked: 102, corrupt: [] })
  })

  test('in the middle of a download: it is served, but not kept', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const { digest, bytes } = blob(4 * CHUNK_SIZE + 9)
    const { manifest, leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    const chunkOf = (index: number): Uint8Array =>
      bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
    for (const index of [0, 3]) await partial.writeChunk(index, chunkOf(index))
    world.files.fail(['write', 'create'], 'ENOSPC')
    for (const index of [1, 2, 4]) await partial.writeChunk(index, chunkOf(index))
    expect(partial.present).toBe(5)
    expect(store.usage().writable).toBe(false)
    for (const when of ['before', 'after']) {
      for (const index of [0, 1, 2, 3, 4]) {
        const same = Buffer.compare(await partial.readChunk(index), chunkOf(index)) === 0
        expect(same, `chunk ${index} ${when}`).toBe(true)
      }
      if (when === 'before') await partial.commit({ verified: false })
    }
    expect(store.has(digest)).toBe(false)
    expect(store.usage()).toMatchObject({ artifacts: 0, bytes: 0, partialBytes: 0 })
    expect(await store.findPartial(digest)).toBeUndefined()
    await expect(store.openPartial(manifest, leaves, PUBLIC)).rejects.toMatchObject({
      code: 'STORE_FAILED',
    })
    expect(warnings(world)).toEqual(['store.degraded'])
  })

  test('at the last rename of a download: it is served, but not kept', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const { digest, bytes } = blob(CHUNK_SIZE + 1)
    const { manifest, leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
    const partial = await store.openPartial(manifest, leaves, PUBLIC)
    await partial.writeChunk(0, bytes.subarray(0, CHUNK_SIZE))
    await partial.writeChunk(1, bytes.subarray(CHUNK_SIZE))
    world.files.fail(['rename'], 'EROFS')
    await partial.commit({ verified: true })
    expect(store.has(digest)).toBe(false)
    expect(Buffer.compare(await partial.readChunk(1), bytes.subarray(CHUNK_SIZE))).toBe(0)
    expect(store.usage()).toMatchObject({ writable: false, partialBytes: 0 })
  })

  test('at the start: everything is absent, nothing fails, and it is tried again', async () => {
    const world = await createFsWorld()
    await rm(world.path, { recursive: true })
    await writeFile(world.path, 'a file where the folder should be')
    const store = await world.open()
    const { digest, bytes } = blob(1000)
    await store.put(digest, bytes, PUBLIC)
    expect(store.has(digest)).toBe(false)
    expect(store.usage().writable).toBe(false)
    await expect(store.read(digest)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await store.flush()
    expect(await store.verify({})).toEqual({ checked: 0, bytes: 0, corrupt: [] })
    expect(warnings(world)).toEqual(['store.degraded'])

    await rm(world.path)
    await store.put(digest, bytes, PUBLIC)
    expect(store.has(digest)).toBe(false) // not yet
    await world.clock.advance(MINUTE_MS)
    await store.put(digest, bytes, PUBLIC)
    await store.flush()
    expect(digestOf(await store.read(digest))).toBe(digest)
    expect(store.usage().writable).toBe(true)
  })
})

describe('a disk that hangs', () => {
  test('has artifacts refused, not piled up in memory', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const release = world.files.hold(['create'])
    const many = Array.from({ length: 3 * MAX_BACKLOG_ITEMS }, (_, seed) => blob(10, seed))
    const waiting = many.map(({ digest, bytes }) => store.put(digest, bytes, PUBLIC))
    expect(store.usage().artifacts).toBeLessThan(2.2 * MAX_BACKLOG_ITEMS)
    expect(store.usage().artifacts).toBeGreaterThan(MAX_BACKLOG_ITEMS)
    release()
    await Promise.all(waiting)
    await store.flush()
    const { artifacts } = store.usage()
    expect(await store.verify({})).toMatchObject({ checked: artifacts, corrupt: [] })
    await store.stop()
    expect(world.clock.sleepers).toBe(0)
  })

  test('holds nobody up for more than half a minute', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const release = world.files.hold(['create'])
    onTestFinished(release)
    const many = Array.from({ length: MAX_BACKLOG_ITEMS + 100 }, (_, seed) => blob(10, seed))
    let settled = 0
    const waiting = many.map(async ({ digest, bytes }) => {
      await store.put(digest, bytes, PUBLIC)
      settled += 1
    })
    await world.clock.advance(29_000)
    expect(settled).toBeLessThan(MAX_BACKLOG_ITEMS + 100)
    await world.clock.advance(1000)
    await Promise.all(waiting)
    release()
  })

  test('an abort ends the waiting, with its reason', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const release = world.files.hold(['create'])
    onTestFinished(release)
    const many = Array.from({ length: MAX_BACKLOG_ITEMS + 100 }, (_, seed) => blob(10, seed))
    const waiting = many.map((each) => store.put(each.digest, each.bytes, PUBLIC))
    const abort = new AbortController()
    const { digest, bytes } = blob(20)
    const last = store.put(digest, bytes, { ...PUBLIC, signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(last).rejects.toBe(abort.signal.reason)
    expect(store.has(digest)).toBe(true) // it was accepted; only the waiting has ended
    release()
    await Promise.all(waiting)
  })
})

interface Outcome {
  readonly writable: boolean
  readonly kept: number
  /** Of the kept, those whose bytes were right. */
  readonly read: number
  readonly warnings: number
  readonly code: string
}

/** store-refused.ts in a process of its own, under a shell that may limit it. */
async function runRefused(world: FsWorld, how: 'limit' | 'permissions'): Promise<Outcome> {
  const script = fileURLToPath(new URL('store-refused.ts', import.meta.url))
  const shell = how === 'limit' ? 'ulimit -f 1024; exec "$@"' : 'exec "$@"'
  if (how === 'permissions') await makeReadOnly(world.path)
  const [command, ...args] = heedingModes([process.execPath, script, world.path])
  const child = spawn('bash', ['-c', shell, 'bash', command, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(deadline)
  await makeWritable(world.path)
  return JSON.parse(stdout) as Outcome
}

const reason = whyModesAreIgnored()
if (reason !== undefined) console.log(`skipped: folders that may not be written: ${reason}`)

describe.skipIf(reason !== undefined)('the real thing (needs a POSIX shell)', () => {
  test('a file-size limit: large artifacts are refused, small ones stay', async () => {
    const world = await createFsWorld()
    const outcome = await runRefused(world, 'limit')
    expect(outcome).toMatchObject({ writable: false, warnings: 1, code: 'EFBIG' })
    expect(outcome.kept).toBeGreaterThan(0)
    const store = await world.open()
    expect(digestsOf(store)).toHaveLength(outcome.kept)
    expect(await store.verify({})).toMatchObject({ checked: outcome.kept, corrupt: [] })
  })

  test('a folder that may not be written: nothing fails, nothing is kept', async () => {
    const world = await createFsWorld()
    const outcome = await runRefused(world, 'permissions')
    expect(outcome).toMatchObject({ writable: false, kept: 0, warnings: 1 })
  })

  test('such a folder with a store in it serves that', async () => {
    const world = await createFsWorld()
    const store = await world.open()
    const blobs = [blob(1000), blob(50_000), blob(1)]
    await putAll(store, blobs)
    await store.stop()
    const outcome = await runRefused(world, 'permissions')
    expect(outcome).toMatchObject({ writable: false, kept: 3, read: 3, warnings: 1 })
  })
})
