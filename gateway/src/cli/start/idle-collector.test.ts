import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWorkerThread } from '@catalog-p2p/core'
import { collectWhenIdle, type IdleCollector } from './idle-collector.ts'

const GARBAGE_BYTES = 64 * 1024 * 1024
const REST_MS = 15_000
let idle: IdleCollector | undefined

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  idle?.stop()
  vi.useRealTimers()
})

test('memory is given back at a rest, not while something is done', () => {
  let work = 0
  let isBusy = true
  idle = collectWhenIdle(() => (isBusy ? (work += 1) : work))
  leaveGarbage()
  const thread = createWorkerThread<string, string>(new URL('data:text/javascript,'), {
    message: () => undefined,
    lost: () => undefined,
    isIdle: () => true,
  })
  thread.post('hello')
  const { heapTotal } = process.memoryUsage()
  vi.advanceTimersByTime(4 * REST_MS)
  expect(process.memoryUsage().heapTotal).toBeGreaterThanOrEqual(heapTotal)
  expect(thread.isRunning).toBe(true)
  isBusy = false
  vi.advanceTimersByTime(2 * REST_MS)
  expect(process.memoryUsage().heapTotal).toBeLessThan(heapTotal - GARBAGE_BYTES / 2)
  expect(thread.isRunning).toBe(false)
})

/** Old enough that only a full collection finds it. */
function leaveGarbage(): void {
  const parts = Array.from({ length: GARBAGE_BYTES / 8 / 1024 }, () =>
    new Array<number>(1024).fill(1),
  )
  expect(parts).toHaveLength(GARBAGE_BYTES / 8192)
}
