import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withSize } from './spool.ts'

const MiB = 1024 * 1024
const never = { signal: new AbortController().signal }
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-spool-'))
  for (const name of ['TMPDIR', 'TEMP', 'TMP']) vi.stubEnv(name, folder)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

async function* inPieces(bytes: Buffer, failAt = Infinity): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 200_000) {
    if (at >= failAt) throw new Error('it broke off')
    yield bytes.subarray(at, at + 200_000)
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

test.each([0, 1, MiB, MiB + 1, 3 * MiB])('%d bytes of unknown length', async (size) => {
  const bytes = Buffer.alloc(size, 'length ')
  const opened = { from: 'uplink', size: undefined, body: inPieces(bytes) } as const
  const sized = await withSize(opened, never)
  expect(sized.size).toBe(size)
  expect(await readdir(folder)).toHaveLength(size > MiB ? 1 : 0)
  expect((await collect(sized.body)).equals(bytes)).toBe(true)
  await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
})

test('what has a length is left alone', async () => {
  const opened = { from: 'uplink', size: 5, body: inPieces(Buffer.from('hello')) } as const
  expect((await withSize(opened, never)).body).toBe(opened.body)
})

test('a source that breaks off leaves nothing behind', async () => {
  const body = inPieces(Buffer.alloc(3 * MiB), 2 * MiB)
  await expect(withSize({ from: 'uplink', size: undefined, body }, never)).rejects.toThrow('broke')
  await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
})

test('a file that nobody reads goes when nobody wants it any more', async () => {
  const wish = new AbortController()
  const opened = { from: 'uplink', size: undefined, body: inPieces(Buffer.alloc(3 * MiB)) } as const
  await withSize(opened, wish)
  expect(await readdir(folder)).toHaveLength(1)
  wish.abort()
  await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
})

test('one that nobody begins to read goes after a while, though nobody says so', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const body = inPieces(Buffer.alloc(3 * MiB))
    const sized = await withSize({ from: 'uplink', size: undefined, body }, never)
    expect(await readdir(folder)).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(60_000)
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
    await expect(collect(sized.body)).rejects.toThrow()
  } finally {
    vi.useRealTimers()
  }
})
