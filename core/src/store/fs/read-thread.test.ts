import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../content/digest.ts'
import type { FileFingerprint } from './file-fingerprint.ts'
import { createNodeFiles } from './files.ts'
import { PromptReads } from './prompt-reads.ts'
import { DamagedFileError, type Expected } from './reader.ts'
import { createPooledReads, createReadThread, type WholeFiles } from './read-thread.ts'

let folder: string
let thread: WholeFiles
let opened: number
/** Of a clock that moves by so much whenever it is looked at. */
let nowMs: number
let passingMs: number

const files = createNodeFiles()
const counting = {
  ...files,
  open: (...rest: Parameters<typeof files.open>) => {
    opened += 1
    return files.open(...rest)
  },
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-read-'))
  opened = 0
  nowMs = 0
  passingMs = 0
  thread = createReadThread(counting, { now: () => (nowMs += passingMs) })
})
afterEach(async () => {
  await thread.stop()
  await rm(folder, { recursive: true })
})

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes)
  return join(folder, name)
}

const expected = (bytes: Uint8Array, mark?: FileFingerprint): Expected => ({
  digest: digestOf(bytes),
  size: bytes.byteLength,
  mark,
})

const four = Buffer.from('four')

test('reads many at once, each its own bytes, past its bound through the pool', async () => {
  const contents = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 37, i))
  const paths = await Promise.all(contents.map((bytes, i) => file(`${i}`, bytes)))
  const got = await Promise.all(
    contents.map((bytes, i) => thread.read(paths[i] ?? '', expected(bytes))),
  )
  expect(got.map(({ bytes }) => Buffer.from(bytes))).toEqual(contents)
  expect(opened).toBe(100 - 64)
})

test('a file that is shorter, longer or absent says so, and the next one is read', async () => {
  const path = await file('a', four)
  await expect(thread.read(path, { ...expected(four), size: 5 })).rejects.toThrow(DamagedFileError)
  await expect(thread.read(path, { ...expected(four), size: 3 })).rejects.toThrow(DamagedFileError)
  await expect(thread.read(join(folder, 'none'), expected(four))).rejects.toMatchObject({
    code: 'ENOENT',
  })
  expect(Buffer.from((await thread.read(path, expected(four))).bytes)).toEqual(four)
  expect(opened).toBe(0)
})

test('after it has stopped, reads and hashes still work, without it', async () => {
  const path = await file('a', four)
  const underway = [thread.read(path, expected(four)), thread.hash(path)] as const
  await thread.stop()
  expect(Buffer.from((await underway[0]).bytes)).toEqual(four)
  expect((await underway[1]).digest).toBe(digestOf(four))
  expect(Buffer.from((await thread.read(path, expected(four))).bytes)).toEqual(four)
  expect((await thread.hash(path)).digest).toBe(digestOf(four))
  expect(opened).toBeGreaterThan(0)
})

test.skipIf(process.platform === 'win32')(
  'a pipe or a link in a file’s place is not read, and keeps nobody waiting',
  async () => {
    const [pipe, link] = [join(folder, 'pipe'), join(folder, 'link')]
    execFileSync('mkfifo', [pipe])
    await symlink(await file('a', four), link)
    const looks = expected(four, await files.mark(link))
    const looked = async (): Promise<void> => {
      await expect(thread.read(pipe, looks)).rejects.toMatchObject({ code: 'ESPIPE' })
      await expect(thread.hash(pipe)).rejects.toMatchObject({ code: 'ESPIPE' })
      await expect(thread.read(link, looks)).rejects.toMatchObject({ code: 'ELOOP' })
      await expect(thread.hash(link)).rejects.toMatchObject({ code: 'ELOOP' })
    }
    expect(thread.readNow(pipe, looks)).toBeUndefined()
    expect(thread.readNow(link, looks)).toBeUndefined()
    await looked()
    await thread.stop()
    await looked() // through the pool
  },
)

describe('at once', () => {
  const markedFile = async (bytes: Uint8Array): Promise<[string, Expected]> => {
    const path = await file('a', bytes)
    return [path, expected(bytes, await files.mark(path))]
  }

  const prompt = (): PromptReads => {
    const reads = new PromptReads({ now: () => (nowMs += passingMs) })
    reads.took(1)
    return reads
  }

  test('reads a small file that looks as expected, and leaves all others to who can wait', async () => {
    const [path, looks] = await markedFile(four)
    const reads = prompt()
    expect(reads.read(path, looks)).toEqual(four)
    expect(reads.read(path, { ...looks, mark: undefined })).toBeUndefined()
    expect(reads.read(path, { ...looks, mark: `${looks.mark}x` })).toBeUndefined()
    expect(reads.read(path, { ...looks, size: 5 })).toBeUndefined()
    expect(reads.read(join(folder, 'none'), looks)).toBeUndefined()
    expect(reads.read(...(await markedFile(Buffer.alloc(64 * 1024 + 1))))).toBeUndefined()
    expect(reads.read(...(await markedFile(Buffer.alloc(64 * 1024))))).toHaveLength(64 * 1024)
  })

  test('leaves a disk alone that was slow, ten times as long and until it was prompt again', async () => {
    const [path, looks] = await markedFile(four)
    const reads = prompt()
    passingMs = 6
    expect(reads.read(path, looks)).toBeDefined()
    passingMs = 0
    reads.took(1)
    nowMs += 59
    expect(reads.read(path, looks)).toBeUndefined()
    nowMs += 1
    expect(reads.read(path, looks)).toBeDefined()
    reads.took(6)
    nowMs += 60
    expect(reads.read(path, looks)).toBeUndefined()
  })

  test('leaves the first read after a rest to the thread, which says whether the disk is prompt', async () => {
    const [path, looks] = await markedFile(four)
    expect(thread.readNow(path, looks)).toBeUndefined()
    await vi.waitFor(
      async () => {
        nowMs += 10_000 // a busy machine's thread may have been slow
        expect(thread.readNow(path, looks)).toBeUndefined()
        await thread.read(path, looks)
        expect(thread.readNow(path, looks)).toEqual(four)
      },
      { timeout: 10_000, interval: 1 },
    )
    nowMs += 999
    expect(thread.readNow(path, looks)).toEqual(four)
    nowMs += 1000
    expect(thread.readNow(path, looks)).toBeUndefined()
  })
})

describe.each([
  ['the thread', () => thread],
  ['the pool', () => createPooledReads(counting)],
] as const)('%s', (_, reads) => {
  test('hashes a small file once, and then knows it by its mark', async () => {
    const path = await file('a', four)
    const first = await reads().read(path, expected(four))
    expect(first.hashed).toEqual({ mark: await files.mark(path) })
    const second = await reads().read(path, expected(four, first.hashed?.mark))
    expect(second.hashed).toBeUndefined()
    expect(Buffer.from(second.bytes)).toEqual(four)
  })

  test('believes a mark, and nothing without it', async () => {
    const path = await file('a', Buffer.from('evil'))
    const mark = await files.mark(path)
    expect(Buffer.from((await reads().read(path, expected(four, mark))).bytes).toString()).toBe(
      'evil',
    )
    for (const known of [undefined, `${mark}x`]) {
      await expect(reads().read(path, expected(four, known))).rejects.toThrow(DamagedFileError)
    }
    expect((await reads().hash(path)).digest).toBe(digestOf(Buffer.from('evil')))
  })

  test.each([0, 4, 1024 * 1024, 2 * 1024 * 1024 + 1])('hashes a file of %i bytes', async (size) => {
    const bytes = Buffer.alloc(size, 7)
    const path = await file('a', bytes)
    const mark = await files.mark(path)
    expect(await reads().hash(path)).toEqual({ digest: digestOf(bytes), size, mark })
  })

  test('says which file it can not hash', async () => {
    await expect(reads().hash(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('what a file looks like', () => {
  test('changes with what is written to it, and with its times', async () => {
    const path = await file('a', four)
    const marks = [await files.mark(path)]
    await utimes(path, 1, 1)
    marks.push(await files.mark(path))
    await appendFile(path, 'x')
    marks.push(await files.mark(path))
    expect(new Set(marks).size).toBe(3)
    // Nobody can set the time of the change itself; it moves with the clock of the file system, at its pace.
    await vi.waitFor(
      async () => {
        await utimes(path, 1, 1)
        expect(marks).not.toContain(await files.mark(path))
      },
      { timeout: 10_000 },
    )
  })

  test('does not change by reading it', async () => {
    const path = await file('a', four)
    const mark = await files.mark(path)
    await thread.hash(path)
    expect((await thread.read(path, expected(four, mark))).hashed).toBeUndefined()
  })
})

test('to hash a small file takes little memory: a start may have ten thousand to hash', async () => {
  const path = await file('a', four)
  const taken: number[] = []
  const watched = {
    ...files,
    async open(...rest: Parameters<typeof files.open>) {
      const opened = await files.open(...rest)
      const read = opened.read.bind(opened) as (
        buffer: Uint8Array,
        offset: number,
        length: number,
        position: number,
      ) => ReturnType<typeof opened.read>
      const watchedRead = (
        buffer: Uint8Array,
        ...range: [number, number, number]
      ): ReturnType<typeof opened.read> => {
        taken.push(buffer.buffer.byteLength)
        return read(buffer, ...range)
      }
      return Object.assign(opened, { read: watchedRead })
    },
  }
  const hashed = await createPooledReads(watched).hash(path)
  expect(hashed).toMatchObject({ digest: digestOf(four), size: 4 })
  expect(Math.max(...taken)).toBeLessThan(1024)
})
