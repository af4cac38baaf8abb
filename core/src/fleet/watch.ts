/**
 * When a machine that does something for all of its fleet counts as late. It says every 100 ms that it is at it, so silence is
 * what tells: a quarter of a second where machines answer in time, and more for one that was silent for long lately and came back, or
 * while this machine itself comes late to everything, as machines do that all begin the same install. What is learned of one
 * counts for that one alone. After "The phi accrual failure detector", Hayashibara and others, SRDS 2004, with the most that was
 * seen lately in place of a distribution. Never waits by itself but in `late`.
 */
import type { Clock } from '../timing/clock.ts'

/** Why a delegate did not give it: nothing came from it, it took too long, it does not fetch for us, or it could not. */
export type Miss = 'silent' | 'slow' | 'refused' | 'failed'

/** Between two looks at what has come. */
export const LOOK_MS = 50
/** Looks are counted as well as time: a machine that is too busy to read for a second has looked once. */
const SILENT_LOOKS = 5
/** That nothing comes for so long is as it should be. */
const USUAL_GAP_MS = 150
/** It may be silent for so many times as long as it was lately, beyond what is usual. */
const MARGIN = 2
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
  /** Whatever came from it. */
  signs = 0
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
  /** Grows with what comes from it in other ways. */
  readonly signs: number
  /** It may be silent for so long at least. */
  readonly quietMs?: number
}

export interface Watch {
  /** Something has come from it. */
  heard(): void
  /** To be asked every LOOK_MS until it is late: why it is, or undefined. */
  look(seen?: Seen): Miss | undefined
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

const NOTHING: Seen = { signs: 0 }

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
  #looks = 0
  #silentLooks = 0
  #seen: number
  #lateMs = Infinity

  constructor(manners: Manners, deps: WatchingDeps) {
    this.#manners = manners
    this.#deps = deps
    const nowMs = deps.clock.now()
    this.#startedMs = this.#lookedMs = this.#heardMs = nowMs
    this.#seen = manners.signs
  }

  heard(): void {
    this.#manners.signs += 1
    this.#alive()
  }

  look(seen: Seen = NOTHING): Miss | undefined {
    const { clock, own, longestMs, about } = this.#deps
    const nowMs = clock.now()
    own.note(nowMs - this.#lookedMs - LOOK_MS)
    this.#lookedMs = nowMs
    this.#looks += 1
    this.#silentLooks = this.#sees(seen) ? 0 : this.#silentLooks + 1
    const mostMs = longestMs()
    if (nowMs - this.#startedMs >= mostMs && this.#looks * LOOK_MS >= mostMs)
      return this.#is('slow')
    const { lateWith } = this.#manners
    const isSilent = lateWith.has(about) || !this.#maySay(seen, this.#silentLooks * LOOK_MS)
    if (this.#silentLooks === 0 || !isSilent) return undefined
    if (lateWith.size < MAX_LATE) lateWith.add(about)
    return this.#is('silent')
  }

  isBack(seen: Seen = NOTHING): boolean {
    this.#sees(seen)
    const { clock, longestMs } = this.#deps
    if (clock.now() - this.#startedMs >= longestMs()) return false
    return this.#heardMs > this.#lateMs && this.#maySay(seen, Infinity)
  }

  async late(signal: AbortSignal): Promise<Miss> {
    for (;;) {
      await this.#deps.clock.sleep(LOOK_MS, signal)
      const why = this.look()
      if (why !== undefined) return why
    }
  }

  #is(why: Miss): Miss {
    this.#lateMs = Math.min(this.#lateMs, this.#deps.clock.now())
    return why
  }

  /** Whether anything has come since it was asked last. */
  #sees({ signs }: Seen): boolean {
    const now = this.#manners.signs + signs
    const isNew = now !== this.#seen
    this.#seen = now
    if (isNew) this.#alive()
    return isNew
  }

  /** Whether it is not silent for too long yet. @param seenMs of its silence in which this machine has looked */
  #maySay({ quietMs = 0 }: Seen, seenMs: number): boolean {
    const leastMs = Math.max(SILENT_LOOKS * LOOK_MS, quietMs)
    if (seenMs < leastMs) return true
    const extraMs = MARGIN * Math.max(this.#deps.own.value, this.#manners.gaps.value)
    const mostMs = Math.max(leastMs, Math.min(LONGEST_SILENCE_MS, leastMs + extraMs))
    return this.#deps.clock.now() - this.#heardMs < mostMs
  }

  #alive(): void {
    const nowMs = this.#deps.clock.now()
    this.#manners.gaps.note(nowMs - this.#heardMs - USUAL_GAP_MS)
    this.#manners.lateWith.clear()
    this.#heardMs = nowMs
  }
}
