/** Figures and tables. A figure is the median of its rounds with their range; ratios are taken round by round. */

export const MB = 1_000_000

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number =>
    sorted[Math.max(0, Math.min(sorted.length - 1, index))] ?? NaN
  const half = sorted.length / 2
  const median = sorted.length % 2 === 1 ? at(Math.floor(half)) : (at(half - 1) + at(half)) / 2
  return { median, min: at(0), max: at(sorted.length - 1) }
}

export function percentile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? NaN
}

/** `1.30 (1.26 to 1.39)`: median and range. */
export function summarize(values: readonly number[], digits: number): string {
  const { median, min, max } = spreadOf(values)
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`
}

export function summarizeBy<T>(
  items: readonly T[],
  value: (item: T) => number,
  digits: number,
): string {
  return summarize(items.map(value), digits)
}

/** The median alone, rounded to a whole number. */
export function medianBy<T>(items: readonly T[], value: (item: T) => number): string {
  return spreadOf(items.map(value)).median.toFixed(0)
}

/** Each value to the base of the same round. */
export function ratios(values: readonly number[], bases: readonly number[]): number[] {
  return values.map((value, i) => value / (bases[i] ?? NaN))
}

/** What a benchmark was to reach, and did or did not. */
export interface Goal {
  readonly what: string
  readonly measured: string
  /** `at most 1.05`. */
  readonly goal: string
  readonly isMet: boolean
  /** Why it can't be met here, where that is known: an arithmetic, a profile. */
  readonly limit?: string
}

/** Of the benchmark that runs: one after another, in this process. */
const noted: { tables: string[]; goals: Goal[] } = { tables: [], goals: [] }

/** What was printed as tables, and which goals were noted, since the last time. */
export function takeNoted(): {
  readonly tables: readonly string[]
  readonly goals: readonly Goal[]
} {
  const taken = { ...noted }
  noted.tables = []
  noted.goals = []
  return taken
}

/** Nothing when there is nothing measured. */
export function noteGoal(
  what: string,
  values: readonly number[],
  goal: { readonly atMost: number } | { readonly atLeast: number },
  limit?: string,
): void {
  const { median } = spreadOf(values)
  if (!Number.isFinite(median)) return
  const bound = 'atMost' in goal ? goal.atMost : goal.atLeast
  const digits = bound < 10 ? 2 : 0
  noted.goals.push({
    what,
    measured: summarize(values, digits),
    goal: `${'atMost' in goal ? 'at most' : 'at least'} ${bound}`,
    isMet: 'atMost' in goal ? median <= bound : median >= bound,
    ...(limit !== undefined && { limit }),
  })
}

/** Kept for the file of results, too. */
export function toMarkdownTable(rows: readonly Readonly<Record<string, string>>[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const widths = columns.map((c) => Math.max(c.length, ...rows.map((row) => (row[c] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const table = [
    line(columns),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map((row) => line(columns.map((c) => row[c] ?? ''))),
  ].join('\n')
  noted.tables.push(table)
  return table
}
