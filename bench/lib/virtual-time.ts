/**
 * Time that passes only when nothing is left to be done: what a protocol waits for the network is then measured without what the
 * processor of the one machine, which plays all of them, takes. While it is there,
 * AbortSignal.timeout counts in it; other timers of libraries go on and decide nothing.
 */
import type { Clock } from '../../core/src/timing/clock.ts'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

/** Libraries collect events for 1 ms. */
const SETTLE_MS = 2

export interface VirtualTime extends Disposable {
  readonly clock: Clock
  /** Milliseconds. */
  now(): number
  after(ms: number, action: () => void): void
  wait(ms: number): Promise<void>
  /** Lets time pass until `work` is done. */
  run<Result>(work: Promise<Result>): Promise<Result>
}

export function createVirtualTime(): VirtualTime {
  let nowMs = 0
  let scheduled = 0
  /** By the time at which they are due. */
  const due = new Map<number, (() => void)[]>()

  function after(ms: number, action: () => void): void {
    scheduled += 1
    const atMs = nowMs + ms
    const actions = due.get(atMs)
    if (actions === undefined) due.set(atMs, [action])
    else actions.push(action)
  }

  async function settle(): Promise<void> {
    for (let before = -1; before !== scheduled;) {
      before = scheduled
      await sleep(SETTLE_MS)
      await turn()
    }
  }

  const wait = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve))
  const { timeout } = AbortSignal
  AbortSignal.timeout = (ms) => {
    const control = new AbortController()
    after(ms, () => control.abort(new DOMException('out of time', 'TimeoutError')))
    return control.signal
  }

  return {
    now: () => nowMs,
    clock: {
      now: () => nowMs,
      epochMs: () => nowMs,
      sleep: wait,
      after(ms, action) {
        let isCancelled = false
        after(ms, () => isCancelled || action())
        return () => void (isCancelled = true)
      },
    },
    [Symbol.dispose]: () => void (AbortSignal.timeout = timeout),
    after,
    wait,
    async run(work) {
      let isDone = false
      const done = (): void => void (isDone = true)
      work.then(done, done)
      await settle()
      while (!isDone) {
        const atMs = Math.min(...due.keys())
        if (atMs === Infinity) throw new Error('it waits for nothing that will happen')
        const actions = due.get(atMs) ?? []
        due.delete(atMs)
        nowMs = atMs
        for (const action of actions) action()
        await settle()
      }
      return await work
    },
  }
}
