import { expect, test } from 'vitest'
import { Promptness } from './promptness.ts'

test('a disk that is always slow holds up the thread less and less often, and a prompt one is trusted again', () => {
  let nowMs = 0
  const prompt = new Promptness({ now: () => nowMs })
  /** One call after another, on whichever thread: when those of this one were made. */
  const calls = (ms: number, untilMs: number): number[] => {
    const atMs: number[] = []
    while (nowMs < untilMs) {
      const startedMs = prompt.begin()
      nowMs += ms
      if (startedMs === undefined) prompt.cameBack()
      else atMs.push(startedMs)
      if (startedMs !== undefined) prompt.end(startedMs)
    }
    return atMs
  }
  const slowMs = calls(200, 3_600_000)
  const pausesMs = slowMs.slice(1).map((atMs, index) => atMs - (slowMs[index] ?? 0))
  expect(pausesMs.slice(0, 4)).toEqual([2_200, 4_200, 8_200, 16_200])
  expect(Math.max(...pausesMs)).toBe(600_200)
  expect(slowMs.length).toBeLessThan(16)
  calls(5, nowMs + 700_000)
  const [firstMs = 0, secondMs = 0] = calls(200, nowMs + 10_000)
  expect(secondMs - firstMs).toBe(2_200)
})
