/**
 * A log line that others can cause as often as they like: the first one is written at once, then one per minute with the
 * number of repetitions. Pure but for the clock.
 */
import type { Clock } from '../timing/clock.ts'
import type { LogFacts, Logger } from '../log.ts'

const EVERY_MS = 60_000

/** Logs `event` as a warning; `count` says how many times it happened since the line before, with the facts of the last. */
export function createRepeatLog(
  deps: { readonly log: Logger; readonly clock: Clock },
  event: string,
): (facts: LogFacts) => void {
  let isPaused = false
  let count = 0
  let last: LogFacts = {}

  function flush(): void {
    isPaused = false
    if (count === 0) return
    tell({ ...last, count })
  }

  function tell(facts: LogFacts): void {
    count = 0
    isPaused = true
    deps.log.warn(event, facts)
    deps.clock.after(EVERY_MS, flush)
  }

  return (facts) => {
    if (!isPaused) return tell(facts)
    count += 1
    last = facts
  }
}
