import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createNodeFiles, type StoreFiles } from './files.ts'
import { createPromptWrites } from './prompt-writes.ts'

let folder: string
let files: StoreFiles
/** Of a clock that moves by so much whenever it is looked at. */
let nowMs: number
let passingMs: number
let pooled: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-write-'))
  nowMs = 0
  passingMs = 1
  pooled = []
  const real = createNodeFiles()
  const counted: StoreFiles = {
    ...real,
    create: (path, bytes) => (pooled.push('create'), real.create(path, bytes)),
    rename: (from, to) => (pooled.push('rename'), real.rename(from, to)),
    mark: (path) => (pooled.push('mark'), real.mark(path)),
  }
  const clock = { now: () => (nowMs += passingMs) }
  files = createPromptWrites(counted, clock, { platform: 'linux' })
})
afterEach(() => rm(folder, { recursive: true }))

test('what is written at once is what the thread pool would have written', async () => {
  const [one, two, three] = ['1', '2', '3'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await files.create(one, Buffer.from('one'))
  expect(pooled).toEqual(['create']) // the first shows how prompt the disk is
  await files.create(two, Buffer.from('two'))
  await files.rename(two, three)
  const real = createNodeFiles()
  expect(await files.mark(three)).toBe(await real.mark(three))
  expect(pooled).toEqual(['create'])
  expect(await readFile(three, 'utf8')).toBe('two')
  if (process.platform !== 'win32') expect((await stat(three)).mode & 0o777).toBe(0o600)
  await expect(files.create(one, Buffer.from('again'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(files.rename(two, one)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await readFile(one, 'utf8')).toBe('one')
  await files.create(two, Buffer.alloc(1024 * 1024 + 1))
  expect(pooled).toEqual(['create', 'create']) // too large to hold up the thread
})

test('a disk that was slow is left to the thread pool', async () => {
  const path = join(folder, '1')
  await files.create(path, Buffer.from('one'))
  passingMs = 6
  await files.mark(path)
  expect(pooled).toEqual(['create'])
  passingMs = 0
  await files.mark(path)
  expect(pooled).toEqual(['create', 'mark'])
})

test('a pool that is slow to answer says nothing of the disk', async () => {
  const path = join(folder, '1')
  passingMs = 50
  await files.create(path, Buffer.from('one'))
  passingMs = 1
  await files.mark(path)
  expect(pooled).toEqual(['create'])
})

test('several that write hold up a turn together for no longer than one does', async () => {
  const path = join(folder, '1')
  await files.create(path, Buffer.from('one'))
  const marking = Promise.all(
    [1, 2, 3].map(async () => {
      for (let count = 0; count < 4; count++) await files.mark(path)
    }),
  )
  let isOver = false
  void marking.finally(() => (isOver = true))
  let longestMs = 0
  while (!isOver) {
    const beforeMs = nowMs
    await new Promise(setImmediate)
    longestMs = Math.max(longestMs, nowMs - beforeMs)
  }
  expect(pooled).toEqual(['create'])
  expect(longestMs).toBeLessThanOrEqual(9) // each looks at the clock three times, and two of them are a turn
})
