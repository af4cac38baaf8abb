import { expect, onTestFinished, test, vi } from 'vitest'
import { createRegistryPace } from './registry-pace.ts'

/** By the timers that the test has replaced. */
const sleep = <T>(ms: number, value?: T): Promise<T | undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms))

test('a member may take twice as long as the registry takes here, also while that has not answered yet', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const pace = createRegistryPace()
  const [quick, slow] = ['https://quick.example', 'https://slow.example']
  const answered = pace.timed(slow, () => sleep(4_000, 'document'))
  expect(pace.allowedMs(slow)).toBe(2_000)
  await vi.advanceTimersByTimeAsync(3_000)
  expect(pace.allowedMs(slow)).toBe(6_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await answered).toBe('document')
  await vi.advanceTimersByTimeAsync(30_000)
  expect([pace.allowedMs(slow), pace.allowedMs(quick)]).toEqual([8_000, 2_000])
  const hanging = pace.timed(slow, () => sleep(1e9))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(pace.allowedMs(slow)).toBe(30_000)
  // Others are answered: it hangs by itself. And what was slow a minute ago need not be so now.
  const soon = pace.timed(slow, () => sleep(10, 'document'))
  await vi.advanceTimersByTimeAsync(10)
  await soon
  await vi.advanceTimersByTimeAsync(16_000)
  expect(pace.allowedMs(slow)).toBe(2_000)
  void hanging
})
