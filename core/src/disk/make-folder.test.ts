import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from './make-folder.ts'

let home: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'catalog-folder-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

test('makes a folder with its parents, and leaves one that is there as it is', async () => {
  const path = join(home, 'a', 'b', 'c')
  await makeFolder(path + sep)
  await writeFile(join(path, 'kept'), '')
  await makeFolder(path)
  expect((await stat(join(path, 'kept'))).isFile()).toBe(true)
})

test('many at once make one', async () => {
  const path = join(home, 'a', 'b', 'c')
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)))
  expect((await stat(path)).isDirectory()).toBe(true)
})

test.skipIf(process.platform === 'win32')('they are for this user alone', async () => {
  await makeFolder(join(home, 'a', 'b'))
  for (const made of ['a', join('a', 'b')]) {
    expect((await stat(join(home, made))).mode & 0o777).toBe(0o700)
  }
})

test('a file in the way is no folder, neither at the end nor before', async () => {
  await writeFile(join(home, 'file'), '')
  await expect(makeFolder(join(home, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolder(join(home, 'file', 'x'))).rejects.toThrow()
})

// Node's own `recursive` spins there for ever.
test.skipIf(process.platform !== 'linux')('in /proc it fails, and at once', async () => {
  await expect(makeFolder('/proc/x/y')).rejects.toMatchObject({ code: 'ENOENT' })
})
