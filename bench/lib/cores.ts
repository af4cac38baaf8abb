/** How busy this machine was while something ran: what its kernel and everybody's processes took together. */
import { cpus } from 'node:os'

export interface WithCores<T> {
  readonly value: T
  /** Of all cores: 1 when none was idle. */
  readonly busy: number
}

export async function withCores<T>(work: () => Promise<T>): Promise<WithCores<T>> {
  const idleBefore = idleMs()
  const startedMs = performance.now()
  const value = await work()
  const available = (performance.now() - startedMs) * cpus().length
  // The system counts in ticks: a short run can seem to have been more idle than it was long.
  return { value, busy: Math.max(0, 1 - (idleMs() - idleBefore) / available) }
}

function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0)
}
