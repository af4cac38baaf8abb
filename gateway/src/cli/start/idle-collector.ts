/**
 * Gives memory back when nothing is asked for: threads that wait, memory for downloads (at-rest.ts of the core), and garbage, since V8
 * collects when a program allocates, so a daemon that has nothing to do keeps what its start or the last install has left behind, for
 * hours. One full collection takes a tenth of a second, so it waits for a rest, and happens once per rest; nothing waits for it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { restNow } from '@catalog-p2p/core'

/** As V8 offers it to its shell and to Chromium (v8/src/extensions/gc-extension.cc). */
type Collect = (options: {
  readonly type: 'major'
  readonly execution: 'sync'
  readonly flavor: 'last-resort'
}) => void

/** Nothing has happened for so long. */
const REST_MS = 15_000
/** Less than that is not worth a pause. */
const WORTH_BYTES = 8 * 1024 * 1024

export interface IdleCollector {
  stop(): void
}

/** `work` is a number that grows with everything the daemon does for anybody. */
export function collectWhenIdle(work: () => number): IdleCollector {
  let seen = work()
  let left = 0
  let hasWorked = true
  const timer = setInterval(() => {
    const now = work()
    const isResting = now === seen
    seen = now
    if (isResting && hasWorked) restNow()
    hasWorked = !isResting
    if (!isResting || heldBytes() - left < WORTH_BYTES) return
    collect()
    left = heldBytes()
  }, REST_MS).unref()
  return { stop: () => clearInterval(timer) }
}

function heldBytes(): number {
  return process.memoryUsage().heapTotal
}

let collector: Collect | undefined

function collect(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc')
    collector = runInNewContext('gc') as Collect
    setFlagsFromString('--no-expose-gc')
  }
  collector({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
