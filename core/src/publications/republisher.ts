/**
 * Keeps own heads in the DHT, whose servers forget a value after two days: puts each when it changes, at the start, and twice a
 * day. Background work, one at a time; what no server takes is tried again later.
 */
import type { NameKey } from '../content/name-key.ts'
import type { ValueRouting } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { jittered, type Random } from '../random.ts'
import type { Clock } from '../timing/clock.ts'
import { createWakeup } from '../timing/wakeup.ts'
import type { HeadBook } from './head-book.ts'
import { headValueKey } from './head-key.ts'
import { MAX_HEAD_VALUE_BYTES } from './head-pointer.ts'

const HOUR_MS = 3_600_000
const AGAIN_MS = 12 * HOUR_MS
const RETRY_MS = 10 * 60_000
/** A peer that has just come is in the routing table a moment later. */
const SOON_MS = 1_000
const SPREAD = 0.2

export interface Republisher {
  start(): void
  /** It has changed. */
  put(key: NameKey): void
  /** A peer has come: what nobody took may be taken now. */
  retry(): void
  stop(): Promise<void>
}

export function createRepublisher(deps: {
  readonly book: HeadBook
  readonly routing: ValueRouting
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}): Republisher {
  const { book, routing, clock, random, log } = deps
  /** When each is put next, in the clock's milliseconds. */
  const dueAt = new Map<NameKey, number>()
  const failed = new Set<NameKey>()
  let stopping: AbortController | undefined
  let running: Promise<void> = Promise.resolve()
  const wakeup = createWakeup(clock)
  const ended = (): void => undefined

  async function putOne(key: NameKey, signal: AbortSignal): Promise<void> {
    const known = book.get(key)
    if (known?.origin !== 'own') return void dueAt.delete(key)
    const value = known.pointer ?? known.statement
    // Of an own head that came back from elsewhere there is no pointer: whoever made it puts it.
    if (value.byteLength > MAX_HEAD_VALUE_BYTES) return void dueAt.delete(key)
    let nextMs = AGAIN_MS
    failed.delete(key)
    try {
      await routing.putValue(headValueKey(key), value, { signal })
    } catch (error) {
      log.debug('heads.not-put', { key, error })
      failed.add(key)
      nextMs = RETRY_MS
    }
    dueAt.set(key, clock.now() + jittered(nextMs, SPREAD, random))
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = clock.now()
      const due = [...dueAt].find(([, atMs]) => atMs <= now)
      if (due !== undefined) await putOne(due[0], signal)
      // Its only rejection is the abort that the loop looks for.
      else await wakeup.wait(Math.min(...dueAt.values(), now + HOUR_MS) - now, signal).catch(ended)
    }
  }

  return {
    start() {
      const control = new AbortController()
      stopping = control
      for (const key of book.keys('own')) dueAt.set(key, clock.now())
      running = run(control.signal)
    },
    put(key) {
      dueAt.set(key, clock.now())
      wakeup.wake()
    },
    retry() {
      const soonMs = clock.now() + SOON_MS
      for (const key of failed) dueAt.set(key, Math.min(soonMs, dueAt.get(key) ?? soonMs))
      wakeup.wake()
    },
    async stop() {
      stopping?.abort(new Error('the node is stopping'))
      await running
    },
  }
}
