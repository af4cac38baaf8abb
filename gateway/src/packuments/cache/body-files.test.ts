import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RETRY_MS } from './body-disk.ts'
import { createBodyFiles, type BodyFiles } from './body-files.ts'

let path: string
let nowMs = 0
const logged: string[] = []
const note = (event: string): void => void logged.push(event)
const log = { debug: note, info: note, warn: note, error: note }
const key = { document: 'ab12', hash: 'h1', part: 'raw' }
const body = gzipSync('hello')

beforeEach(async () => {
  logged.length = 0
  nowMs = 0
  path = await mkdtemp(join(tmpdir(), 'catalog-bodies-'))
})
afterEach(() => rm(path, { recursive: true, force: true }))

const open = (options: { path?: string | undefined; memoryBytes?: number } = {}): BodyFiles =>
  createBodyFiles({ log, now: () => nowMs }, { path, memoryBytes: 1e6, maxBytes: 1e6, ...options })

test('what was written is read, at once and by the next process', async () => {
  const first = open()
  await first.write(key, body)
  expect(await first.read(key)).toEqual(body)
  await first.flush()
  const second = open()
  expect(await second.read(key)).toEqual(body)
  expect((await second.readUnpacked(key))?.toString()).toBe('hello')
  expect(await second.read({ ...key, hash: 'h2' })).toBeUndefined()
})

test('what a crash left behind counts as missing, and goes', async () => {
  const first = open()
  await first.write(key, body)
  await first.flush()
  const file = join(path, 'ab', 'ab12', 'h1.raw.gz')
  for (const broken of [body.subarray(0, 10), Buffer.alloc(0), Buffer.from('junk')]) {
    await writeFile(file, broken)
    expect(await open().read(key)).toBeUndefined()
    await expect(readFile(file)).rejects.toThrow()
  }
  expect(logged).toEqual(Array(3).fill('metadata.corrupt'))
})

test('nothing half written is ever found under its name', async () => {
  const files = open()
  await files.write(key, body)
  await files.flush()
  expect(await readdir(join(path, 'ab', 'ab12'))).toEqual(['h1.raw.gz'])
})

test('the bodies of an older document go, the others stay', async () => {
  const files = open()
  await files.write(key, body)
  await files.write({ ...key, hash: 'h2' }, body)
  await files.flush()
  files.clear('ab12', 'h2')
  await files.flush()
  expect(await files.read(key)).toBeUndefined()
  expect(await files.read({ ...key, hash: 'h2' })).toEqual(body)
  files.clear('ab12')
  await files.flush()
  expect(await files.read({ ...key, hash: 'h2' })).toBeUndefined()
})

test('without a folder it is a memory cache, within its bounds', async () => {
  const files = open({ path: undefined, memoryBytes: 400 })
  for (const hash of ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']) await files.write({ ...key, hash }, body)
  expect(await files.read({ ...key, hash: 'h6' })).toEqual(body)
  expect(await files.read(key)).toBeUndefined()
})

// Root may write anywhere; Windows has other rights.
const cannotBeRefused = process.platform === 'win32' || process.getuid?.() === 0

test.skipIf(cannotBeRefused)('a folder that may not be written makes it one, too', async () => {
  await chmod(path, 0o500)
  const files = open()
  await files.write(key, body)
  await files.write({ ...key, hash: 'h2' }, body)
  await files.flush()
  expect(await files.read(key)).toEqual(body)
  expect(logged).toEqual(['metadata.degraded'])
  await chmod(path, 0o700)
})

test('a folder that is a file makes it one, too, with one log line', async () => {
  const blocked = join(path, 'file')
  await writeFile(blocked, '')
  const files = open({ path: blocked })
  await files.write(key, body)
  await files.write({ ...key, hash: 'h2' }, body)
  await files.flush()
  expect(await files.read(key)).toEqual(body)
  expect(logged).toEqual(['metadata.degraded'])
})

test('a folder that refused once is tried again after a while, and used again when it works', async () => {
  const blocked = join(path, 'file')
  await writeFile(blocked, '')
  const files = open({ path: blocked })
  const write = async (hash: string): Promise<boolean> => {
    await files.write({ ...key, hash }, body)
    await files.flush()
    return (await open({ path: blocked }).read({ ...key, hash })) !== undefined
  }
  expect(await write('h1')).toBe(false)
  // Mended at once, but nobody looks before the time has come.
  await rm(blocked)
  expect(await write('h2')).toBe(false)
  nowMs += RETRY_MS - 1
  expect(await write('h3')).toBe(false)
  expect(logged).toEqual(['metadata.degraded'])
  nowMs += 1
  expect(await write('h4')).toBe(true)
  expect(await write('h5')).toBe(true)
  expect(logged).toEqual(['metadata.degraded', 'metadata.recovered'])
})

test('while it goes on refusing, one write in a while tries, and nothing more is logged', async () => {
  const blocked = join(path, 'file')
  await writeFile(blocked, '')
  const files = open({ path: blocked })
  for (let minute = 0; minute < 3; minute += 1) {
    nowMs += RETRY_MS
    const writes = ['h1', 'h2', 'h3'].map((hash) => files.write({ ...key, hash }, body))
    await Promise.all(writes)
    await files.flush()
  }
  expect(logged).toEqual(['metadata.degraded'])
  expect(await files.read({ ...key, hash: 'h3' })).toEqual(body)
})
