/** The load of this machine while a piece of work ran: its cores, whoever used them, and the packets that its lines dropped. */
import { cpus } from 'node:os'
import type { Stage } from './stage.ts'

export interface Load {
  /** Share of all cores: 1 when none was idle. */
  readonly coresBusy: number
  /** Packets, in front of all lines. */
  readonly dropped: number
}

export async function withLoad<T>(
  stage: Stage,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly load: Load }> {
  const droppedBefore = await stage.droppedPackets()
  const idleBefore = idleMs()
  const startedMs = performance.now()
  const value = await work()
  const availableMs = (performance.now() - startedMs) * cpus().length
  // The system counts in ticks: a short run can seem to have been idle for longer than it took.
  const coresBusy = Math.max(0, 1 - (idleMs() - idleBefore) / availableMs)
  const dropped = (await stage.droppedPackets()) - droppedBefore
  return { value, load: { coresBusy, dropped } }
}

function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0)
}
