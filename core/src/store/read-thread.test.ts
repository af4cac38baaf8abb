import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createNodeFiles } from './fs-files.ts'
import { WrongSizeError } from './fs-reader.ts'
import { createReadThread, type WholeFiles } from './read-thread.ts'

let folder: string
let thread: WholeFiles
let opened: number

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-read-'))
  opened = 0
  const files = createNodeFiles()
  thread = createReadThread({
    ...files,
    open: (...rest) => {
      opened += 1
      return files.open(...rest)
    },
  })
})
afterEach(async () => {
  await thread.stop()
  await rm(folder, { recursive: true })
})

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes)
  return join(folder, name)
}

test('reads many at once, each its own bytes, past its bound through the pool', async () => {
  const contents = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 37, i))
  const paths = await Promise.all(contents.map((bytes, i) => file(`${i}`, bytes)))
  const got = await Promise.all(paths.map((path, i) => thread.read(path, i * 37)))
  expect(got.map((bytes) => Buffer.from(bytes))).toEqual(contents)
  expect(opened).toBe(100 - 64)
})

test('a file that is shorter, longer or absent says so, and the next one is read', async () => {
  const path = await file('a', Buffer.from('four'))
  await expect(thread.read(path, 5)).rejects.toThrow(WrongSizeError)
  await expect(thread.read(path, 3)).rejects.toThrow(WrongSizeError)
  await expect(thread.read(join(folder, 'none'), 1)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(Buffer.from(await thread.read(path, 4)).toString()).toBe('four')
  expect(opened).toBe(0)
})

test('after it has stopped, reads still work, without it', async () => {
  const path = await file('a', Buffer.from('four'))
  const underway = thread.read(path, 4)
  await thread.stop()
  expect(Buffer.from(await underway).toString()).toBe('four')
  expect(Buffer.from(await thread.read(path, 4)).toString()).toBe('four')
  expect(opened).toBeGreaterThan(0)
})
