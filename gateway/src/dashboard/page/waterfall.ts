/** Where bars and ticks of the waterfall are. Pure. */
import type { InstallRow } from '../snapshot.ts'

export interface Axis {
  readonly endMs: number
  readonly ticks: readonly number[]
}

export interface Bar {
  readonly left: string
  readonly waitWidth: string
  readonly moveLeft: string
  readonly moveWidth: string
}

const STEPS = [1, 2, 5] as const
const MAX_TICKS = 6

/** Since the install began. */
export function endOf({ at, total }: InstallRow, nowMs: number): number {
  return total === null ? Math.max(at, nowMs) : at + total
}

/** From the beginning of the install to the end of what is shown, with ticks at round numbers. */
export function axisOf(rows: readonly InstallRow[], tookMs: number | null, nowMs: number): Axis {
  const endMs = Math.max(1, tookMs ?? 0, ...rows.map((row) => endOf(row, nowMs)))
  let stepMs = 1
  for (let index = 0; endMs / stepMs > MAX_TICKS; index += 1) {
    stepMs = (STEPS[index % 3] ?? 1) * 10 ** Math.floor(index / 3)
  }
  const ticks = Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, index) => index * stepMs)
  return { endMs, ticks: ticks.filter((tick) => tick < endMs * 0.94) }
}

/** How it waits, and how it moves; what has no first byte only waits. */
export function barOf(row: InstallRow, axisMs: number, nowMs: number): Bar {
  const share = (ms: number): number => Math.min(100, Math.max(0, (100 * ms) / axisMs))
  const end = endOf(row, nowMs)
  const first = row.wait === null ? end : Math.min(end, row.at + row.wait)
  return {
    left: percent(share(row.at)),
    waitWidth: percent(share(first - row.at)),
    moveLeft: percent(share(first)),
    moveWidth: percent(share(end - first)),
  }
}

function percent(share: number): string {
  return `${share.toFixed(2)}%`
}
