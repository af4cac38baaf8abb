/**
 * A clock that tests advance. Time stands still until then; sleepers wake in the order in which they are due, and what they
 * set going runs before the next one wakes.
 */
import type { Clock } from '../../core/src/timing/clock.ts'

export interface FakeClock extends Clock {
  advance(ms: number): Promise<void>
  /** Advances in steps until `condition` holds; throws when it does not within `maxMs`. Returns the milliseconds taken. */
  advanceUntil(
    condition: () => boolean,
    options: { maxMs: number; stepMs?: number },
  ): Promise<number>
  /** Sleeps under way: 0 after a part has stopped, or it leaks. */
  readonly sleepers: number
}

interface Sleeper {
  readonly dueAtMs: number
  wake(): void
}

export function createFakeClock(startMs = 0, epochStartMs = 1_790_000_000_000): FakeClock {
  let nowMs = startMs
  const sleepers = new Set<Sleeper>()

  function nextDue(untilMs: number): Sleeper | undefined {
    let next: Sleeper | undefined
    for (const sleeper of sleepers) {
      const isSooner = next === undefined || sleeper.dueAtMs < next.dueAtMs
      if (sleeper.dueAtMs <= untilMs && isSooner) next = sleeper
    }
    return next
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = nowMs + ms
    await settle()
    for (let next = nextDue(untilMs); next !== undefined; next = nextDue(untilMs)) {
      nowMs = Math.max(nowMs, next.dueAtMs)
      sleepers.delete(next)
      next.wake()
      await settle()
    }
    nowMs = untilMs
    await settle()
  }

  return {
    now: () => nowMs,
    epochMs: () => epochStartMs + (nowMs - startMs),

    sleep(ms, signal) {
      if (signal?.aborted === true) return Promise.reject(signal.reason)
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        const sleeper: Sleeper = {
          dueAtMs: nowMs + Math.max(0, ms),
          wake() {
            signal?.removeEventListener('abort', onAbort)
            resolve()
          },
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        sleepers.add(sleeper)
      })
    },

    after(ms, action) {
      const sleeper: Sleeper = { dueAtMs: nowMs + Math.max(0, ms), wake: action }
      sleepers.add(sleeper)
      return () => void sleepers.delete(sleeper)
    },

    advance,

    async advanceUntil(condition, { maxMs, stepMs = 10 }) {
      const startedAtMs = nowMs
      await settle()
      while (!condition()) {
        if (nowMs - startedAtMs >= maxMs) throw new Error(`not so after ${maxMs} ms`)
        await advance(stepMs)
      }
      return nowMs - startedAtMs
    },

    get sleepers() {
      return sleepers.size
    },
  }
}

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate)
}
