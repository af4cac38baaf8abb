import { gunzipSync } from 'node:zlib'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import type { PackumentJob } from '../document/packument-document.ts'
import { Worker } from 'node:worker_threads'
import { createPackumentJobs, WorkerDied, type PackumentJobs } from './packument-jobs.ts'
import type { JobMessage } from './packument-worker.ts'

let jobs: PackumentJobs
afterEach(() => jobs.close())

function job(text: string): PackumentJob {
  const form = { policy: 'self', base: 'http://x', isKept: true } as const
  const flags = { codings: [], maxBytes: 1e9, abbreviate: false, ingest: true }
  return {
    body: Buffer.from(text),
    registry: 'http://y/',
    isPrivate: false,
    name: 'n',
    form,
    ...flags,
  }
}
const good = '{"name":"n","versions":{"1.0.0":{"dist":{"tarball":"http://y/n.tgz"}}}}'

test('many jobs go to few workers, and come back to who asked', async () => {
  jobs = createPackumentJobs({ workers: 2, timeoutMs: 30_000 })
  const texts = Array.from({ length: 50 }, (_, i) => good.replace('"n"', `"n${i}"`))
  const results = await Promise.all(texts.map((text) => jobs.run(job(text))))
  const names = results.map(({ variant }) => {
    const text = gunzipSync(variant ?? new Uint8Array(0)).toString()
    return (JSON.parse(text) as { name: string }).name
  })
  expect(names).toEqual(texts.map((_, i) => `n${i}`))
})

test('a bad document fails alone', async () => {
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 30_000 })
  const [bad, fine] = await Promise.allSettled([jobs.run(job('{')), jobs.run(job(good))])
  expect([bad.status, fine.status]).toEqual(['rejected', 'fulfilled'])
})

test('a worker that takes too long is replaced', async () => {
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 1 })
  const huge = JSON.stringify({ readme: 'x'.repeat(30_000_000) })
  await expect(jobs.run(job(huge))).rejects.toThrow('longer than 1 ms')
  await jobs.close()
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 30_000 })
  expect((await jobs.run(job(good))).ingested?.hash).toHaveLength(22)
})

test('a job is not late because others were before it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    jobs = createPackumentJobs({ workers: 1, timeoutMs: 60_000 })
    const first = jobs.run(job(good))
    const second = jobs.run(job(good.replace('{', `{"readme":"${'x'.repeat(10_000_000)}",`)))
    const outcome = Promise.allSettled([second])
    vi.advanceTimersByTime(59_000)
    await first
    vi.advanceTimersByTime(59_000)
    expect((await outcome)[0].status).toBe('fulfilled')
  } finally {
    vi.useRealTimers()
  }
})

/** Workers die of jobs whose text contains `killer`. */
function killWorkers(killer: string): { deaths: number } {
  const count = { deaths: 0 }
  const { postMessage } = Worker.prototype
  const spy = vi.spyOn(Worker.prototype, 'postMessage')
  spy.mockImplementation(function (this: Worker, message, moved) {
    const { job: sent } = message as JobMessage
    if (!Buffer.from(sent.body).includes(killer)) return postMessage.call(this, message, moved)
    count.deaths++
    postMessage.call(this, null) // the worker falls over it when its turn comes
  })
  onTestFinished(() => spy.mockRestore())
  return count
}

test('a job that kills its worker is tried twice; those behind it come all the same', async () => {
  const count = killWorkers('deadly')
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 30_000 })
  const deadly = '{"readme":"deadly"}'
  const texts = [deadly, good, good, deadly, good]
  const outcomes = await Promise.allSettled(texts.map((text) => jobs.run(job(text))))
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...['rejected', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  ])
  for (const outcome of [outcomes[0], outcomes[3]]) {
    expect((outcome as PromiseRejectedResult).reason).toSatisfy(
      (error) => error instanceof WorkerDied && error.deaths === 2,
    )
  }
  expect(count.deaths).toBeGreaterThanOrEqual(4)
})

test('a job whose body has moved to its worker is not tried again here, unless it stays', async () => {
  const count = killWorkers('deadly')
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 30_000 })
  const large = (): PackumentJob => job(`{"readme":"deadly${'x'.repeat(100_000)}"}`)
  const died = (deaths: number) =>
    expect.toSatisfy((error) => error instanceof WorkerDied && error.deaths === deaths)
  await expect(jobs.run(large())).rejects.toEqual(died(1))
  const kept = large()
  await expect(jobs.run(kept, 1)).rejects.toEqual(died(2))
  expect(kept.body.byteLength).toBeGreaterThan(100_000)
  expect(count.deaths).toBe(2)
})

test('after close there is no work', async () => {
  jobs = createPackumentJobs({ workers: 1, timeoutMs: 30_000 })
  const pending = jobs.run(job(good))
  const settled = Promise.allSettled([pending])
  await jobs.close()
  expect((await settled)[0].status).toBe('rejected')
  await expect(jobs.run(job(good))).rejects.toThrow('stopped')
})
