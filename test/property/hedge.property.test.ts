/** Hedging with attempts that answer, fail or stay silent after any time: it ends as it must, and leaves nothing behind. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hedge, type Attempt } from '../../core/src/transfer/sources/hedge.ts'
import { createFakeClock } from '../support/fake-clock.ts'

const plans = fc.array(
  fc.record({
    outcome: fc.constantFrom('answers' as const, 'fails' as const, 'silent' as const),
    afterMs: fc.nat(300),
    hedgeMs: fc.integer({ min: 1, max: 90 }),
  }),
  { minLength: 1, maxLength: 6 },
)

describe('hedge', () => {
  test('the first answer wins, all others are cancelled, nothing runs on', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.option(fc.nat(400), { nil: undefined }), async (plan, abortMs) => {
        const clock = createFakeClock()
        const stop = new AbortController()
        const running = new Set<number>()
        const startedMs = new Map<number, number>()
        const discarded: number[] = []
        const attempts = plan.map(({ outcome, afterMs, hedgeMs }, index): Attempt<number> => ({
          hedgeMs,
          async run(signal) {
            running.add(index)
            startedMs.set(index, clock.now())
            try {
              await clock.sleep(outcome === 'silent' ? 1e9 : afterMs, signal)
              if (outcome === 'fails') throw new Error(`attempt ${index} failed`)
              return index
            } finally {
              running.delete(index)
            }
          },
        }))
        const result: { value?: number; error?: unknown; atMs?: number } = {}
        const done = hedge(() => attempts.shift(), {
          clock,
          signal: stop.signal,
          onDiscarded: (index) => discarded.push(index),
        })
          .then((value) => (result.value = value))
          .catch((error: unknown) => (result.error = error))
          .finally(() => (result.atMs = clock.now()))
        if (abortMs !== undefined) {
          await clock.advance(abortMs)
          stop.abort(new Error('aborted'))
        }
        await clock.advance(2_000)

        const answers = plan.flatMap(({ outcome, afterMs }, index) => {
          const atMs = startedMs.get(index)
          return outcome === 'answers' && atMs !== undefined
            ? [{ index, atMs: atMs + afterMs }]
            : []
        })
        const aborted =
          abortMs !== undefined && (result.atMs === undefined || result.atMs >= abortMs)
        if (result.value !== undefined) {
          const bestMs = Math.min(...answers.map(({ atMs }) => atMs))
          expect(answers.find(({ index }) => index === result.value)?.atMs).toBe(bestMs)
          expect(result.atMs).toBe(bestMs)
        } else if (result.error !== undefined && !aborted) {
          expect(startedMs.size).toBe(plan.length)
          expect(plan.every(({ outcome }) => outcome === 'fails')).toBe(true)
        } else if (result.error === undefined) {
          expect(plan.some(({ outcome }) => outcome === 'silent')).toBe(true)
          stop.abort(new Error('enough'))
          await clock.advance(0)
        }
        await done
        expect(running.size).toBe(0)
        expect(clock.sleepers).toBe(0)
        for (const [index, atMs] of startedMs) {
          // Each starts when the one before it has failed or has been given its time.
          const before = plan[index - 1]
          const beforeMs = startedMs.get(index - 1)
          if (before === undefined || beforeMs === undefined) continue
          const failedMs = before.outcome === 'fails' ? before.afterMs : Infinity
          expect(atMs - beforeMs).toBe(Math.min(before.hedgeMs, failedMs))
        }
      }),
      { numRuns: 150 },
    )
  })
})
