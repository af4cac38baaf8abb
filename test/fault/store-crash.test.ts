/**
 * kill -9 at every file operation of a writing store, and at moments in between: whatever is in the store afterwards is
 * complete and verified, whatever was promised is there, and nothing private has become public.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../core/src/timing/clock.ts'
import { digestOf, digestToHex, parseDigest, type Digest } from '../../core/src/content/digest.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import type { Store } from '../../core/src/store/store.ts'
import { blob, CHUNK_SIZE } from '../support/blobs.ts'

const WRITER = fileURLToPath(new URL('store-writer.ts', import.meta.url))
const DEADLINE_MS = 20_000
const MODES = ['before', 'during', 'after'] as const

interface Run {
  readonly killed: boolean
  /** Lines of the child, cut into words. */
  readonly said: readonly (readonly string[])[]
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'catalog-crash-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

/** Runs the writer; `killAfterMs` kills it from outside as well. */
async function runWriter(
  path: string,
  options: { killAt?: number; mode?: string; killAfterMs?: number },
): Promise<Run> {
  const { killAt = 0, mode = 'before', killAfterMs } = options
  const child = spawn(process.execPath, [WRITER, path, String(killAt), mode], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString()
    // From the first promise on, so that it is not killed while Node starts.
    if (killAfterMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS)
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve([status]))
  })
  clearTimeout(deadline)
  clearTimeout(timer)
  // Windows has no signals: there a killed process has a code, and has not come to the end.
  const said = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '))
  const finished = said.some(([word]) => word === 'operations')
  if (!finished && code !== null && process.platform !== 'win32') throw new Error(stderr)
  return { killed: !finished, said }
}

function digestsSaid(run: Run, word: string): Digest[] {
  return run.said.filter(([first]) => first === word).map(([, digest = '']) => parseDigest(digest))
}

async function open(path: string): Promise<Store> {
  const store = createFsStore(
    { clock: systemClock, log: silentLogger },
    {
      ...{ path, quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
      memoryBytes: 0,
    },
  )
  await store.start()
  return store
}

/** Everything visible is whole, at once after the start and after start-up work behind it. */
async function expectSound(store: Store, path: string): Promise<void> {
  for (const round of ['at start', 'after reconciliation']) {
    for (const { digest, size } of store.entries()) {
      const bytes = await store.read(digest)
      expect(digestOf(bytes), round).toBe(digest)
      expect(bytes.byteLength, round).toBe(size)
    }
    await store.flush()
  }
  expect((await store.verify({})).corrupt).toEqual([])
  const names = await readdir(join(path, 'artifacts-v1'), { recursive: true })
  const files = names.map((name) => name.split(/[\\/]/).at(-1) ?? '').filter((n) => n.length > 2)
  const expected = Array.from(store.entries(), ({ digest }) => digestToHex(digest))
  expect(files.sort()).toEqual(expected.sort())
  expect(await readdir(join(path, 'temporary-v1'))).toEqual([])
}

async function expectPromisesKept(store: Store, run: Run): Promise<void> {
  const lastWord = new Map<Digest, string>()
  for (const [word = '', digest] of run.said) {
    if (['kept', 'deleting', 'deleted'].includes(word))
      lastWord.set(parseDigest(digest ?? ''), word)
  }
  for (const [digest, word] of lastWord) {
    if (word === 'kept') expect(store.has(digest), `kept ${digest}`).toBe(true)
  }
  for (const digest of digestsSaid(run, 'pinned')) expect(store.entry(digest)?.pinned).toBe(true)
  for (const size of [0, 1, CHUNK_SIZE, 3 * CHUNK_SIZE + 1]) {
    const entry = store.entry(blob(size, 3).digest)
    expect(entry?.visibility ?? 'private').toBe('private')
  }
  const half = blob(4 * CHUNK_SIZE, 5)
  const found = await store.findPartial(half.digest)
  if (digestsSaid(run, 'unfinished').length > 0) expect(found).toBeDefined()
  if (found === undefined) return
  const partial = await store.openPartial(found.geometry, found.leaves, { visibility: 'public' })
  if (digestsSaid(run, 'unfinished').length > 0) expect(partial.present).toBe(2)
  for (let index = 0; index < 4; index += 1) {
    const expected = half.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
    if (partial.hasChunk(index)) {
      expect(Buffer.compare(await partial.readChunk(index), expected)).toBe(0)
    } else {
      await partial.writeChunk(index, expected)
    }
  }
  await partial.commit({ verified: false })
  expect(digestOf(await store.read(half.digest))).toBe(half.digest)
}

async function crashAndCheck(options: Parameters<typeof runWriter>[1]): Promise<Run> {
  const path = await folder()
  const run = await runWriter(path, options)
  const store = await open(path)
  try {
    await expectSound(store, path)
    await expectPromisesKept(store, run)
  } finally {
    await store.stop()
  }
  return run
}

/** Two at a time: most of a run is Node starting. */
async function forEachTwo<T>(
  items: readonly T[],
  check: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await check(item)
  }
  await Promise.all([worker(), worker()])
}

test(
  'killed at any file operation, the store is sound and keeps its promises',
  { timeout: 120_000, tags: ['long'] },
  async () => {
    const whole = await crashAndCheck({})
    expect(whole.killed).toBe(false)
    const operations = Number(whole.said.at(-1)?.[1])
    expect(operations).toBeGreaterThan(40)
    const steps = Array.from({ length: operations }, (_, index) => index + 1)
    await forEachTwo(steps, async (killAt) => {
      const mode = MODES[killAt % MODES.length] ?? 'before'
      const run = await crashAndCheck({ killAt, mode })
      expect(run.killed, `at operation ${killAt}`).toBe(true)
    })
  },
)

test('killed between file operations as well', async () => {
  const delays = Array.from({ length: 10 }, (_, index) => index * 3)
  await forEachTwo(delays, async (killAfterMs) => void (await crashAndCheck({ killAfterMs })))
}, 60_000)

test('killed again and again on one folder, it only ever gains', async () => {
  const path = await folder()
  for (const killAt of [25, 40, 10, 50, 33]) {
    const run = await runWriter(path, { killAt, mode: 'during' })
    const store = await open(path)
    await expectSound(store, path)
    for (const digest of digestsSaid(run, 'pinned')) expect(store.has(digest)).toBe(true)
    await store.stop()
  }
  const run = await runWriter(path, {})
  expect(run.killed).toBe(false)
  const store = await open(path)
  await expectSound(store, path)
  await expectPromisesKept(store, run)
  await store.stop()
}, 60_000)
