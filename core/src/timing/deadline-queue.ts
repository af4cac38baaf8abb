/**
 * One deadline for each of many short waits, looked after by one timer: a timer and a signal each would cost more than a
 * request does. All have the same length, so the oldest is due first.
 */
import type { CancelTimer, Clock } from './clock.ts'

export interface Deadlines {
  /** `onDue` is called once, up to `precisionMs` late, unless the function returned is called before. */
  add(onDue: () => void): () => void
}

interface Deadline {
  readonly dueAtMs: number
  readonly onDue: () => void
}

export function createDeadlines(
  clock: Clock,
  options: { afterMs: number; precisionMs: number },
): Deadlines {
  const open = new Set<Deadline>()
  let timer: CancelTimer | undefined

  function sweep(): void {
    timer = undefined
    const nowMs = clock.now()
    for (const deadline of open) {
      if (deadline.dueAtMs > nowMs) break
      open.delete(deadline)
      deadline.onDue()
    }
    if (open.size > 0) sweepLater()
  }

  function sweepLater(): void {
    timer ??= clock.after(options.precisionMs, sweep)
  }

  return {
    add(onDue) {
      const deadline = { dueAtMs: clock.now() + options.afterMs, onDue }
      open.add(deadline)
      sweepLater()
      return () => void open.delete(deadline)
    },
  }
}
