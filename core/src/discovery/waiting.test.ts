/** The small tools that everything here waits with: deadline, wakeup, watchdog, rate budget. */
import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { withDeadline } from '../timing/deadline.ts'
import { TokenBucket } from '../limits/token-bucket.ts'
import { createWakeup } from '../timing/wakeup.ts'
import { startWatchdog } from '../timing/watchdog.ts'

const never = (): Promise<never> => new Promise(() => undefined)

describe('withDeadline', () => {
  it('gives what the work gives, and leaves no timer', async () => {
    const clock = createFakeClock()
    const { signal } = new AbortController()
    await expect(withDeadline({ clock, timeoutMs: 10, signal }, async () => 7)).resolves.toBe(7)
    expect(clock.sleepers).toBe(0)
  })

  it('rejects when time is up, whether the work listens or not', async () => {
    const clock = createFakeClock()
    const { signal } = new AbortController()
    let seen: AbortSignal | undefined
    const work = withDeadline({ clock, timeoutMs: 10, signal }, (limit) => {
      seen = limit
      return never()
    })
    work.catch(() => undefined) // awaited below
    await clock.advance(9)
    expect(seen?.aborted).toBe(false)
    await clock.advance(1)
    await expect(work).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    expect(seen?.aborted).toBe(true)
  })

  it("rejects with the caller's reason", async () => {
    const clock = createFakeClock()
    const caller = new AbortController()
    const reason = new Error('enough')
    const work = withDeadline({ clock, timeoutMs: 10, signal: caller.signal }, never)
    caller.abort(reason)
    await expect(work).rejects.toBe(reason)
    expect(clock.sleepers).toBe(0)
    const late = withDeadline({ clock, timeoutMs: 10, signal: caller.signal }, never)
    await expect(late).rejects.toBe(reason)
  })
})

describe('createWakeup', () => {
  it('ends the wait when woken, when time is up, and when aborted', async () => {
    const clock = createFakeClock()
    const wakeup = createWakeup(clock)
    const caller = new AbortController()
    const woken = wakeup.wait(1000, caller.signal)
    wakeup.wake()
    await woken
    expect(clock.now()).toBe(0)
    const timed = wakeup.wait(1000, caller.signal)
    await clock.advance(1000)
    await timed
    const aborted = wakeup.wait(1000, caller.signal)
    caller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(clock.sleepers).toBe(0)
  })

  it('remembers one wake that came before the wait', async () => {
    const clock = createFakeClock()
    const wakeup = createWakeup(clock)
    const { signal } = new AbortController()
    wakeup.wake()
    wakeup.wake()
    await wakeup.wait(1000, signal)
    let isOver = false
    const second = wakeup.wait(1000, signal).then(() => {
      isOver = true
    })
    await clock.advance(999)
    expect(isOver).toBe(false)
    await clock.advance(1)
    await second
  })
})

describe('startWatchdog', () => {
  it('expires once, unless extended or stopped', async () => {
    const clock = createFakeClock()
    let expired = 0
    const watchdog = startWatchdog(clock, 100, () => (expired += 1))
    for (let i = 0; i < 10; i += 1) {
      await clock.advance(90)
      watchdog.extend(100)
    }
    expect(expired).toBe(0)
    await clock.advance(101)
    expect(expired).toBe(1)
    watchdog.extend(100)
    await clock.advance(1000)
    expect(expired).toBe(1)

    const other = startWatchdog(clock, 100, () => (expired += 1))
    other.stop()
    await clock.advance(1000)
    expect(expired).toBe(1)
    expect(clock.sleepers).toBe(0)
  })

  it('can be brought forward', async () => {
    const clock = createFakeClock()
    let expiredAtMs = -1
    const watchdog = startWatchdog(clock, 60_000, () => (expiredAtMs = clock.now()))
    await clock.advance(10)
    watchdog.extend(1000)
    await clock.advance(5000)
    expect(expiredAtMs).toBe(1010)
  })
})

describe('TokenBucket', () => {
  it('gives a burst, then what time brings, and never saves up more than the burst', () => {
    const budget = new TokenBucket({ burst: 3, perSecond: 2 })
    const taken = (nowMs: number): number => {
      let count = 0
      while (budget.take(1, nowMs)) count += 1
      return count
    }
    expect(taken(0)).toBe(3)
    expect(taken(1000)).toBe(2)
    expect(taken(1400)).toBe(0)
    expect(taken(1500)).toBe(1)
    expect(taken(100_000)).toBe(3)
    // A clock that goes back brings nothing.
    expect(taken(50_000)).toBe(0)
  })
})
