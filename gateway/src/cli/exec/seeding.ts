/** The time after the command in which peers can still fetch the new artifacts. A signal ends it at once. */
import { setTimeout as sleep } from 'node:timers/promises'

/** An upload that is under way at the end may finish while it makes progress. */
const GRACE_MS = 10_000
const LOOK_MS = 250

export interface SeedingOptions {
  readonly durationMs: number
  readonly signal: AbortSignal
  /** Bytes that peers have fetched so far. */
  readonly uploadedBytes: () => Promise<number>
}

/** @returns its duration, ms */
export async function seed({ durationMs, signal, uploadedBytes }: SeedingOptions): Promise<number> {
  const startedAt = performance.now()
  if (durationMs === 0 || signal.aborted) return 0
  if (await rest(durationMs, signal)) await whileMoving(signal, uploadedBytes)
  return performance.now() - startedAt
}

async function whileMoving(signal: AbortSignal, look: () => Promise<number>): Promise<void> {
  const deadline = performance.now() + GRACE_MS
  for (let last = await look(); performance.now() < deadline;) {
    if (!(await rest(LOOK_MS, signal))) return
    const now = await look()
    if (now === last) return
    last = now
  }
}

/** Whether it was undisturbed. */
async function rest(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false)
}
