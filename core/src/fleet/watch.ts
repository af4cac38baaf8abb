/**
 * When a machine that does something for all of its fleet counts as late. It says every 100 ms that it is at it, so silence is
 * what tells: a fifth of a second where machines answer in time, and more for one that was silent for long lately and came back, or
 * while this machine itself comes late to everything, as machines do that all begin the same install. What is learned of one
 * counts for that one alone. After "The phi accrual failure detector", Hayashibara and others, SRDS 2004, with the most that was
 * seen lately in place of a distribution. Never waits by itself but in `late`.
 */
import type { Clock } from '../timing/clock.ts'

/** Why a delegate did not give it: nothing came from it, it took too long, it does not fetch for us, or it could not. */
export type Miss = 'silent' | 'slow' | 'refused' | 'failed'

/** Between two looks at what has come, at most: the one that decides comes when its time is over. */
export const LOOK_MS = 50
/** Two of its words are missing. Counted in time that this machine has looked: one that is too busy to read for a second has looked once. */
const SILENT_MS = 200
/** That nothing comes for so long is as it should be. */
const USUAL_GAP_MS = 150
/**
 * It may be silent for so many times as long as it was late lately, and for as long as this machine was, which tells less of it;
 * beyond what SILENT_MS leaves anyhow.
 */
const MARGIN = 2
const LEFT_ANYHOW_MS = SILENT_MS - USUAL_GAP_MS
const LONGEST_SILENCE_MS = 5_000
/** What was seen counts for so long, and for twice that at most. */
const LATELY_MS = 10_000
const MAX_LATE = 1_000

/** The most that was seen lately. */
class RecentMost {
  readonly #clock: Clock
  #sinceMs = -Infinity
  #now = 0
  #before = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(value: number): void {
    this.#turn()
    this.#now = Math.max(this.#now, value)
  }

  get value(): number {
    this.#turn()
    return Math.max(this.#now, this.#before)
  }

  #turn(): void {
    const ageMs = this.#clock.now() - this.#sinceMs
    if (ageMs < LATELY_MS) return
    this.#before = ageMs < 2 * LATELY_MS ? this.#now : 0
    this.#now = 0
    this.#sinceMs = this.#clock.now()
  }
}

/** What was seen of one machine, in all questions to it. */
export class Manners {
  /** When something was said of what it is at, whatever that is. */
  heardAtMs = -Infinity
  /** What it was late with; nothing has come from it since. */
  readonly lateWith = new Set<string>()
  /** Beyond what is usual, milliseconds. */
  readonly gaps: RecentMost

  constructor(clock: Clock) {
    this.gaps = new RecentMost(clock)
  }
}

/** What else is known of it at a look. */
export interface Seen {
  /** When something came from it in other ways, by the clock. */
  readonly heardAtMs?: number
  /** Grows with what comes in ways of which the time is not known. */
  readonly signs?: number
  /** It may be silent for so long at least. */
  readonly quietMs?: number
}

export interface Watch {
  /** Something has come from it. */
  heard(): void
  /** To be asked until it is late, LOOK_MS after the beginning and then when `nextMs` is over: why it is late, or undefined. */
  look(seen?: Seen): Miss | undefined
  /** After a look: milliseconds until the next one. */
  readonly nextMs: number
  /** Of one that was late: it has been heard since, is not silent again, and has time left. To be asked as often as it is of use. */
  isBack(seen?: Seen): boolean
  /** Resolves when it is late, as far as `heard` tells. @throws `signal.reason` */
  late(signal: AbortSignal): Promise<Miss>
}

export interface WatchOptions {
  /** What it is asked for: one that was late with it, and has been silent since, is not waited for twice. */
  readonly about: string
  /** It may be at it for so long, however often it says so; asked at each look. */
  readonly longestMs: () => number
}

/** Watches over machines; one for each thing that a fleet shares. */
export class Lookout {
  readonly #clock: Clock
  readonly #own: RecentMost

  constructor(clock: Clock) {
    this.#clock = clock
    this.#own = new RecentMost(clock)
  }

  watch(manners: Manners, options: WatchOptions): Watch {
    return new Watching(manners, { clock: this.#clock, own: this.#own, ...options })
  }
}

const NOTHING: Seen = {}

interface WatchingDeps extends WatchOptions {
  readonly clock: Clock
  /** By how much looks of this machine came late. */
  readonly own: RecentMost
}

class Watching implements Watch {
  readonly #manners: Manners
  readonly #deps: WatchingDeps
  readonly #startedMs: number
  #lookedMs: number
  #heardMs: number
  /** Of its time, and of its silence, in which this machine has looked: a look that is late counts as if it were not. */
  #watchedMs = 0
  #silentMs = 0
  #signs = 0
  #nextMs = LOOK_MS
  #lateMs = Infinity

  constructor(manners: Manners, deps: WatchingDeps) {
    this.#manners = manners
    this.#deps = deps
    this.#startedMs = this.#lookedMs = this.#heardMs = deps.clock.now()
  }

  get nextMs(): number {
    return this.#nextMs
  }

  heard(): void {
    const nowMs = this.#deps.clock.now()
    this.#manners.heardAtMs = nowMs
    this.#alive(nowMs)
  }

  look(seen: Seen = NOTHING): Miss | undefined {
    const { longestMs, about, clock } = this.#deps
    const nowMs = clock.now()
    this.#count(nowMs, seen)
    const mostMs = longestMs()
    if (nowMs - this.#startedMs >= mostMs && this.#watchedMs >= mostMs) return this.#is('slow')
    const { lateWith } = this.#manners
    const leftMs = this.#leftMs(seen, this.#silentMs)
    const isSilent = lateWith.has(about) ? this.#silentMs > 0 : leftMs <= 0
    this.#nextMs = leftMs > 0 ? Math.min(LOOK_MS, Math.ceil(leftMs)) : LOOK_MS
    if (!isSilent) return undefined
    if (lateWith.size < MAX_LATE) lateWith.add(about)
    return this.#is('silent')
  }

  isBack(seen: Seen = NOTHING): boolean {
    this.#sees(seen)
    const { clock, longestMs } = this.#deps
    if (clock.now() - this.#startedMs >= longestMs()) return false
    return this.#heardMs > this.#lateMs && this.#leftMs(seen, Infinity) > 0
  }

  async late(signal: AbortSignal): Promise<Miss> {
    for (;;) {
      await this.#deps.clock.sleep(this.#nextMs, signal)
      const why = this.look()
      if (why !== undefined) return why
    }
  }

  #is(why: Miss): Miss {
    this.#lateMs = Math.min(this.#lateMs, this.#deps.clock.now())
    return why
  }

  #count(nowMs: number, seen: Seen): void {
    const sinceMs = nowMs - this.#lookedMs
    this.#deps.own.note(sinceMs - this.#nextMs)
    this.#watchedMs += Math.min(sinceMs, this.#nextMs)
    this.#sees(seen)
    const isNew = this.#heardMs > this.#lookedMs
    this.#silentMs = isNew
      ? Math.min(nowMs - this.#heardMs, this.#nextMs)
      : this.#silentMs + Math.min(sinceMs, this.#nextMs)
    this.#lookedMs = nowMs
  }

  /** Whatever has come since it was asked last. */
  #sees({ heardAtMs = -Infinity, signs = 0 }: Seen): void {
    const hasSign = signs !== this.#signs
    this.#signs = signs
    const lastMs = Math.max(heardAtMs, this.#manners.heardAtMs)
    if (hasSign) this.#alive(this.#deps.clock.now())
    else if (lastMs > this.#heardMs) this.#alive(lastMs)
  }

  /** Of the silence that it is allowed. @param seenMs of its silence in which this machine has looked */
  #leftMs({ quietMs = 0 }: Seen, seenMs: number): number {
    const { own, clock } = this.#deps
    const leastMs = Math.max(SILENT_MS, quietMs)
    const lateMs = Math.max(own.value, MARGIN * this.#manners.gaps.value)
    const extraMs = Math.max(0, lateMs - LEFT_ANYHOW_MS)
    const mostMs = Math.max(leastMs, Math.min(LONGEST_SILENCE_MS, leastMs + extraMs))
    return Math.max(leastMs - seenMs, mostMs - (clock.now() - this.#heardMs))
  }

  #alive(atMs: number): void {
    this.#manners.gaps.note(atMs - this.#heardMs - USUAL_GAP_MS)
    this.#manners.lateWith.clear()
    this.#heardMs = atMs
  }
}
