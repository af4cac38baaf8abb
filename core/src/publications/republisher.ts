/**
 * Keeps heads in the DHT, whose servers forget a value after two days: our own, and those that this machine's user trusts, so that
 * a head outlives the machine that published it. Own ones are put when they change, at the start and twice a day. Others' are looked
 * for twice a day and put only where most servers have had them for long, or too few have them at all: whoever comes first does it
 * for all (Kademlia, section 2.5). Background work, one at a time; only what was verified, and never what is hidden.
 */
import type { NameKey } from '../content/name-key.ts'
import type { FoundValue, ValueRouting } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { jittered, type Random } from '../random.ts'
import type { Clock } from '../timing/clock.ts'
import { createWakeup } from '../timing/wakeup.ts'
import type { HeadBook, KnownHead } from './head-book.ts'
import { headValueKey, type PublishedName } from './head-key.ts'
import { MAX_HEAD_VALUE_BYTES } from './head-pointer.ts'

const HOUR_MS = 3_600_000
const AGAIN_MS = 12 * HOUR_MS
const RETRY_MS = 10 * 60_000
/** A peer that has just come is in the routing table a moment later. */
const SOON_MS = 1_000
const SPREAD = 0.2
/** Of others; with FIRST_MS the most walks that there are in a time. */
const MAX_OTHERS = 1_000
/** Others' heads are looked for within this after the start, so that it works on machines that run for some hours only. */
const FIRST_MS = 2 * HOUR_MS
/** Above what a value reaches whose publisher is there, and so far below two days that a try or two may fail. */
const OLD_MS = 16 * HOUR_MS
const MIN_SERVERS = 3

export interface Republisher {
  start(): void
  /** It has become the newest. */
  put(key: NameKey): void
  /** A peer has come: what nobody took may be taken now. */
  retry(): void
  stop(): Promise<void>
}

/** Whether peers may have it. */
export type IsTold = (known: KnownHead) => boolean

export interface RepublisherDeps {
  readonly book: HeadBook
  readonly routing: ValueRouting
  /** Whose heads are worth keeping though they are not ours. */
  readonly trusts: (published: PublishedName) => boolean
  readonly isTold: IsTold
  /** What the DHT has; the book knows it afterwards. */
  readonly look: (key: NameKey, signal: AbortSignal) => Promise<FoundValue | undefined>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export function createRepublisher(deps: RepublisherDeps): Republisher {
  const { book, trusts, clock, random, log } = deps
  /** When each is looked after next, in the clock's milliseconds. */
  const dueAt = new Map<NameKey, number>()
  const failed = new Set<NameKey>()
  let stopping: AbortController | undefined
  let running: Promise<void> = Promise.resolve()
  const wakeup = createWakeup(clock)
  const ended = (): void => undefined
  const hasPlace = (): boolean => dueAt.size - book.keys('own').length < MAX_OTHERS
  const firstOfOthers = (): number => clock.now() + FIRST_MS * random()

  async function lookAfter(key: NameKey, signal: AbortSignal): Promise<void> {
    let nextMs = AGAIN_MS
    failed.delete(key)
    try {
      if (!(await keepOne(deps, key, signal))) return void dueAt.delete(key)
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
      if (due !== undefined) await lookAfter(due[0], signal)
      // Its only rejection is the abort that the loop looks for.
      else await wakeup.wait(Math.min(...dueAt.values(), now + HOUR_MS) - now, signal).catch(ended)
    }
  }

  return {
    start() {
      const control = new AbortController()
      stopping = control
      for (const key of book.keys('own')) dueAt.set(key, clock.now())
      // The latest to have changed: those that are asked for.
      for (const key of book.keys('cache').slice(-MAX_OTHERS)) dueAt.set(key, firstOfOthers())
      running = run(control.signal)
    },
    put(key) {
      const known = book.get(key)
      if (known === undefined) return
      if (known.origin === 'own') dueAt.set(key, clock.now())
      else if (!dueAt.has(key) && trusts(known.head) && hasPlace()) dueAt.set(key, firstOfOthers())
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

/** False: it is not for us to keep. @throws CatalogError PEER_UNREACHABLE when no server takes it */
async function keepOne(
  { book, routing, trusts, isTold, look }: RepublisherDeps,
  key: NameKey,
  signal: AbortSignal,
): Promise<boolean> {
  const before = book.get(key)
  if (before === undefined || !isTold(before)) return false
  const isOwn = before.origin === 'own'
  if (!isOwn && !trusts(before.head)) return false
  const found = isOwn ? undefined : await look(key, signal)
  const known = book.get(key)
  const value = known && valueOf(known)
  // Of an own head that came back from elsewhere there is no pointer: whoever made it puts it. Others' may yet be found.
  if (value === undefined) return !isOwn
  if (found !== undefined && isWellKept(found, value)) return true
  await routing.putValue(headValueKey(key), value, { signal })
  return true
}

function valueOf({ pointer, statement }: KnownHead): Uint8Array | undefined {
  const value = pointer ?? statement
  return value.byteLength > MAX_HEAD_VALUE_BYTES ? undefined : value
}

/** By the median, so that a few servers that lie change nothing. */
function isWellKept({ value, heldMs }: FoundValue, wanted: Uint8Array): boolean {
  if (heldMs.length < MIN_SERVERS || Buffer.compare(value, wanted) !== 0) return false
  const median = heldMs.toSorted((a, b) => a - b)[Math.floor(heldMs.length / 2)] ?? Infinity
  return median < OLD_MS
}
