import { describe, expect, test } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { hedge, type Attempt } from './hedge.ts'
import { createPeerScores } from '../peer-score.ts'

const never = new AbortController().signal

/** An attempt that the test settles; it heeds its signal as real ones do. */
function attempt(name: string, hedgeMs = 50) {
  const result = Promise.withResolvers<string>()
  const state = {
    ...{ started: false, aborted: undefined as unknown, late: 0, progressing: 0 },
    startNext: (): void => undefined,
  }
  const one: Attempt<string> = {
    hedgeMs,
    run(signal, startNext) {
      state.started = true
      state.startNext = startNext
      signal.addEventListener('abort', () => {
        state.aborted = signal.reason
        result.reject(signal.reason)
      })
      return result.promise
    },
    isProgressing: () => state.progressing-- > 0,
    onLate: () => state.late++,
  }
  return {
    attempt: one,
    state,
    succeed: () => result.resolve(name),
    fail: (error: Error) => result.reject(error),
  }
}

function race(
  clock: FakeClock,
  attempts: readonly { attempt: Attempt<string> }[],
  options: { signal?: AbortSignal; onDiscarded?: (result: string) => void } = {},
) {
  const queue = attempts.map(({ attempt: one }) => one)
  const outcome: { value?: string; error?: unknown } = {}
  const done = hedge(() => queue.shift(), { clock, signal: never, ...options }).then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error),
  )
  return { outcome, done }
}

describe('hedge', () => {
  test('one that answers in time is asked alone', async () => {
    const clock = createFakeClock()
    const [a, b] = [attempt('a'), attempt('b')]
    const { outcome } = race(clock, [a, b])
    await clock.advance(49)
    a.succeed()
    await clock.advance(0)
    expect(outcome.value).toBe('a')
    expect(b.state.started).toBe(false)
    expect(a.state.late).toBe(0)
    expect(clock.sleepers).toBe(0)
  })

  test('one that fails starts the next at once', async () => {
    const clock = createFakeClock()
    const [a, b] = [attempt('a'), attempt('b')]
    const { outcome } = race(clock, [a, b])
    a.fail(new Error('no'))
    await clock.advance(0)
    expect(b.state.started).toBe(true)
    b.succeed()
    await clock.advance(0)
    expect(outcome.value).toBe('b')
  })

  test('one that is silent has the next beside it after its time, and is told it was late', async () => {
    const clock = createFakeClock()
    const [a, b, c] = [attempt('a', 50), attempt('b', 70), attempt('c')]
    const { outcome } = race(clock, [a, b, c])
    await clock.advance(49)
    expect(b.state.started).toBe(false)
    await clock.advance(1)
    expect(b.state.started).toBe(true)
    expect(a.state.late).toBe(1)
    await clock.advance(69)
    expect(c.state.started).toBe(false)
    a.succeed()
    await clock.advance(0)
    expect(outcome.value).toBe('a')
    expect(b.state.aborted).toBeInstanceOf(Error)
    expect(c.state.started).toBe(false)
    await clock.advance(1000)
    expect(b.state.late).toBe(0)
    expect(clock.sleepers).toBe(0)
  })

  test('one that makes progress is given its time again, as often as it does', async () => {
    const clock = createFakeClock()
    const [a, b] = [attempt('a', 50), attempt('b')]
    a.state.progressing = 2
    race(clock, [a, b])
    await clock.advance(149)
    expect(b.state.started).toBe(false)
    await clock.advance(1)
    expect(b.state.started).toBe(true)
    expect(a.state.late).toBe(1)
  })

  test('one that gives way has the next beside it at once, once, and may still win', async () => {
    const clock = createFakeClock()
    const [a, b, c] = [attempt('a'), attempt('b', 1000), attempt('c')]
    const { outcome } = race(clock, [a, b, c])
    a.state.startNext()
    a.state.startNext()
    await clock.advance(60)
    expect({ b: b.state.started, c: c.state.started }).toEqual({ b: true, c: false })
    expect(a.state.late).toBe(0)
    a.succeed()
    await clock.advance(0)
    expect(outcome.value).toBe('a')
  })

  test('one that was late and then fails does not start a second next', async () => {
    const clock = createFakeClock()
    const [a, b, c] = [attempt('a', 50), attempt('b', 1000), attempt('c')]
    race(clock, [a, b, c])
    await clock.advance(50)
    a.fail(new Error('late and wrong'))
    await clock.advance(0)
    expect(c.state.started).toBe(false)
  })

  test('all fail: the error of the last', async () => {
    const clock = createFakeClock()
    const [a, b] = [attempt('a', 50), attempt('b', 50)]
    const { outcome } = race(clock, [a, b])
    await clock.advance(120)
    b.fail(new Error('b failed'))
    await clock.advance(0)
    expect(outcome.error).toBeUndefined()
    a.fail(new Error('a failed'))
    await clock.advance(0)
    expect(outcome.error).toEqual(new Error('a failed'))
    expect(clock.sleepers).toBe(0)
  })

  test('an answer that comes in the same moment as another is reported, not lost', async () => {
    const clock = createFakeClock()
    const discarded: string[] = []
    const [a, b] = [attempt('a', 50), attempt('b', 50)]
    const { outcome } = race(clock, [a, b], { onDiscarded: (result) => discarded.push(result) })
    await clock.advance(50)
    a.succeed()
    b.succeed()
    await clock.advance(0)
    expect(outcome.value).toBe('a')
    expect(discarded).toEqual(['b'])
  })

  test('aborted: the reason of the signal, and everything is cancelled with it', async () => {
    const clock = createFakeClock()
    const stop = new AbortController()
    const [a, b, c] = [attempt('a', 50), attempt('b', 50), attempt('c')]
    const { outcome } = race(clock, [a, b, c], { signal: stop.signal })
    await clock.advance(50)
    const reason = new Error('the client has gone')
    stop.abort(reason)
    await clock.advance(1000)
    expect(outcome.error).toBe(reason)
    expect(a.state.aborted).toBe(reason)
    expect(b.state.aborted).toBe(reason)
    expect(c.state.started).toBe(false)
    expect(clock.sleepers).toBe(0)
    await expect(hedge(() => a.attempt, { clock, signal: stop.signal })).rejects.toBe(reason)
  })

  test('nobody to ask is a failure', async () => {
    const { outcome, done } = race(createFakeClock(), [])
    await done
    expect(outcome).toEqual({ error: undefined })
  })
})

describe('a silent best peer', () => {
  /** Milliseconds until an answer, with peers that answer after so many, best known first; undefined: never. */
  async function timeToAnswer(answersMs: readonly (number | undefined)[]): Promise<number> {
    const clock = createFakeClock()
    const scores = createPeerScores(clock, () => undefined)
    const peers = answersMs.map((_, index) => `peer-${index}`)
    // Known as quick, in this order, from before.
    for (const [index, peer] of peers.entries()) {
      for (let time = 0; time < 20; time++) scores.answered(peer, { answerMs: 5 + index, bytes: 1 })
    }
    const order = scores.rank(peers, () => 0)
    expect(order).toEqual(peers)
    const attempts = order.map((peer, index): Attempt<string> => ({
      hedgeMs: scores.hedgeMs(peer),
      onLate: () => scores.recordTimeout(peer),
      async run(signal) {
        await clock.sleep(answersMs[index] ?? 1e9, signal)
        return peer
      },
    }))
    let answered = false
    const done = hedge(() => attempts.shift(), { clock, signal: never }).then(
      () => (answered = true),
    )
    const tookMs = await clock.advanceUntil(() => answered, { maxMs: 10_000, stepMs: 1 })
    await done
    return tookMs
  }

  test('costs a request no more than 100 ms beyond what a good one takes', async () => {
    for (const good of [1, 10, 30]) {
      const alone = await timeToAnswer([good])
      const behindSilent = await timeToAnswer([undefined, good])
      expect(behindSilent - alone).toBeLessThanOrEqual(100)
      expect(behindSilent).toBeGreaterThan(alone)
    }
  })

  test('is asked last after three times, and costs nothing then', () => {
    const clock = createFakeClock()
    const scores = createPeerScores(clock, () => undefined)
    for (let time = 0; time < 20; time++) {
      scores.answered('silent', { answerMs: 1, bytes: 1 })
      scores.answered('good', { answerMs: 20, bytes: 1 })
    }
    expect(scores.rank(['good', 'silent'], () => 0)[0]).toBe('silent')
    for (let time = 0; time < 3; time++) scores.recordTimeout('silent')
    expect(scores.rank(['good', 'silent'], () => 0)).toEqual(['good', 'silent'])
  })

  test('an unknown silent peer costs no more either', async () => {
    const clock = createFakeClock()
    const scores = createPeerScores(clock, () => undefined)
    expect(scores.hedgeMs('never seen')).toBeLessThanOrEqual(100)
    for (let time = 0; time < 20; time++) scores.answered('far', { answerMs: 900, bytes: 1 })
    expect(scores.hedgeMs('far')).toBeLessThanOrEqual(100)
  })
})
