/** What part of installs the checks of signatures are: the same two ways of installing, whoever has signed. */
import type { InstallResult } from './install-child.ts'
import { summarizeBy, toMarkdownTable } from './measure.ts'

/** By a lockfile whose client names no digest, and with metadata. */
export const WAYS = ['frozen', 'fresh'] as const
export type Way = (typeof WAYS)[number]

export interface SignatureCost {
  readonly way: Way
  readonly result: InstallResult
  readonly checks: number
  /** Of the gateway. */
  readonly cpuMs: number
  /** Of one check, on this machine at that time. */
  readonly checkMs: number
}

/** For a gateway that counts its checks. */
export const COUNTING = ['--import', new URL('./count-checks.ts', import.meta.url).href]

export async function measureBothWays(
  rounds: number,
  measure: (way: Way) => Promise<SignatureCost>,
): Promise<SignatureCost[]> {
  const measured: SignatureCost[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const way of WAYS) measured.push(await measure(way))
  }
  print(measured)
  return measured
}

/** In processor time, milliseconds. */
export function measureCheck(check: () => void, times: number): number {
  for (let at = 0; at < times / 2; at += 1) check()
  const before = process.cpuUsage()
  for (let at = 0; at < times; at += 1) check()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / times
}

function print(measured: readonly SignatureCost[]): void {
  const checkedMs = ({ checks, checkMs }: SignatureCost): number => checks * checkMs
  const rows = WAYS.map((way) => {
    const all = measured.filter((each) => each.way === way)
    return {
      install: way,
      seconds: summarizeBy(all, ({ result }) => result.seconds, 2),
      'CPU of the gateway, s': summarizeBy(all, ({ cpuMs }) => cpuMs / 1000, 2),
      checks: summarizeBy(all, ({ checks }) => checks, 0),
      'µs each': summarizeBy(all, ({ checkMs }) => checkMs * 1000, 0),
      '% of the CPU': summarizeBy(all, (each) => (100 * checkedMs(each)) / each.cpuMs, 1),
      '% of the time': summarizeBy(all, (each) => checkedMs(each) / (10 * each.result.seconds), 1),
    }
  })
  console.log(toMarkdownTable(rows))
}
