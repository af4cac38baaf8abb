import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { blob, CHUNK_SIZE } from '../../../../test/support/blobs.ts'
import { chunkCount } from '../../content/chunking.ts'
import { digestOf } from '../../content/digest.ts'
import { describeBytes } from '../../content/manifest.ts'
import { createChunkPool } from './chunk-pool.ts'
import { createHasher, type Hasher, type HashJob } from './hasher.ts'

const SIZE = 5 * CHUNK_SIZE + 7
const { bytes, digest } = blob(SIZE)
const { leaves } = describeBytes(digest, bytes, CHUNK_SIZE)
const chunks = chunkCount(SIZE, CHUNK_SIZE)
const chunk = (index: number): Uint8Array =>
  bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)

let hasher: Hasher
beforeEach(() => {
  hasher = createHasher()
})
afterEach(async () => hasher.stop())

async function addAll(job: HashJob, order: Iterable<number>): Promise<boolean[]> {
  return await Promise.all([...order].map(async (index) => job.add(index, chunk(index))))
}

describe('createHasher, on a real thread', () => {
  test.each([
    ['in order', [0, 1, 2, 3, 4, 5]],
    ['backwards', [5, 4, 3, 2, 1, 0]],
    ['in any order', [3, 0, 5, 1, 4, 2]],
  ])('chunks %s give the digest of the whole', async (_, order) => {
    const job = hasher.open({ chunks, leaves })
    expect(await addAll(job, order)).toEqual(order.map(() => true))
    const done = await job.done
    expect(done.digest).toBe(digest)
    expect(Buffer.compare(done.leaves, leaves)).toBe(0)
  })

  test('leaves that were not known are found', async () => {
    const job = hasher.open({ chunks, leaves: undefined })
    await addAll(job, [0, 1, 2, 3, 4, 5])
    expect(Buffer.compare((await job.done).leaves, leaves)).toBe(0)
  })

  test('a chunk that does not match is told so and may come again', async () => {
    const job = hasher.open({ chunks, leaves })
    expect(await job.add(0, chunk(1))).toBe(false)
    expect(await addAll(job, [0, 1, 2, 3, 4, 5])).not.toContain(false)
    expect((await job.done).digest).toBe(digest)
  })

  test('a good and a bad copy of one chunk under way together get a verdict each', async () => {
    const job = hasher.open({ chunks, leaves })
    const bad = Uint8Array.from(chunk(0), (byte) => byte ^ 1)
    expect(
      await Promise.all([
        job.add(0, chunk(0)),
        job.add(0, bad),
        job.add(0, chunk(0)),
        job.add(0, bad),
      ]),
    ).toEqual([true, false, true, false])
  })

  test('a copy that comes after the last missing chunk is rejected, not forgotten', async () => {
    const job = hasher.open({ chunks: 1, leaves: undefined })
    const first = job.add(0, chunk(0))
    const second = job.add(0, chunk(0))
    await expect(first).resolves.toBe(true)
    await expect(second).rejects.toThrow('over')
    await expect(job.add(0, chunk(0))).rejects.toThrow('over')
  })

  test('keeps its own copy of what it was given', async () => {
    const job = hasher.open({ chunks: 1, leaves: undefined })
    const mine = Buffer.from(chunk(0))
    const added = job.add(0, mine)
    expect(mine.byteLength).toBe(CHUNK_SIZE)
    mine.fill(0)
    await added
    expect((await job.done).digest).toBe(digestOf(chunk(0)))
  })

  test('closing rejects what is under way; a closed job takes nothing', async () => {
    const job = hasher.open({ chunks, leaves })
    const adding = job.add(0, chunk(0))
    job.close()
    job.close()
    await expect(adding).rejects.toThrow('closed')
    await expect(job.done).rejects.toThrow('closed')
    await expect(job.add(1, chunk(1))).rejects.toThrow('over')
  })

  test('several jobs at once do not mix', async () => {
    const jobs = Array.from({ length: 5 }, () => hasher.open({ chunks, leaves }))
    await Promise.all(jobs.map(async (job) => addAll(job, [1, 0, 2, 5, 3, 4])))
    for (const job of jobs) expect((await job.done).digest).toBe(digest)
  })

  test('stopping rejects what is under way and starts no thread again', async () => {
    const job = hasher.open({ chunks, leaves })
    const adding = job.add(0, chunk(0))
    await Promise.all([hasher.stop(), expect(adding).rejects.toThrow('stopped')])
    await expect(job.add(1, chunk(1))).rejects.toThrow('over')
    expect(() => hasher.open({ chunks, leaves })).toThrow('stopped')
  })

  test('a job without chunks starts no thread', async () => {
    const threads = vi.spyOn(process, 'emit')
    const started = (): boolean => threads.mock.calls.some(([event]) => String(event) === 'worker')
    hasher.open({ chunks, leaves }).close()
    await new Promise(setImmediate) // it would be told in the next tick
    expect(started()).toBe(false)
    await hasher.open({ chunks, leaves }).add(0, chunk(0))
    expect(started()).toBe(true)
    threads.mockRestore()
  })

  test('copies in pooled memory are given back when they are hashed', async () => {
    const large = 256 * 1024
    const pool = createChunkPool({ chunkSize: large, maxBytes: 2 * (large + 64) })
    const pooling = createHasher(pool)
    const whole = blob(6 * large)
    const job = pooling.open({ chunks: 6, leaves: undefined })
    for (let index = 0; index < 6; index++) {
      const part = Buffer.from(whole.bytes.subarray(index * large, (index + 1) * large))
      const added = job.add(index, part)
      part.fill(0) // it has taken its own copy
      await added
    }
    expect((await job.done).digest).toBe(whole.digest)
    const free = [pool.take(large), pool.take(large), pool.take(large)]
    expect(free.map((each) => each !== undefined)).toEqual([true, true, false])
    await pooling.stop()
  })
})
