/** What part of installs the checks of signatures are: the same two ways of installing, whoever has signed. */
import type { InstallResult } from './install-child.ts'
import { summarizeBy, toMarkdownTable } from './measure.ts'

/** The requests alone: by a lockfile whose client names no digest, and with metadata. */
const BARE = ['frozen', 'fresh'] as const
export type Way = (typeof BARE)[number]

export interface SignatureCost<Ways extends string = Way> {
  readonly way: Ways
  readonly result: Pick<InstallResult, 'seconds'>
  readonly checks: number
  /** Of the gateway. */
  readonly cpuMs: number
  /** Of the package manager, where there is one. */
  readonly clientCpuMs?: number
  /** Of one check, on this machine at that time. */
  readonly checkMs: number
}

/** For a gateway that counts its checks. */
export const COUNTING = ['--import', new URL('./count-checks.ts', import.meta.url).href]

export const measureBothWays = (
  rounds: number,
  measure: (way: Way) => Promise<SignatureCost>,
): Promise<SignatureCost[]> => measureWays(rounds, BARE, measure)

export async function measureWays<Ways extends string>(
  rounds: number,
  ways: readonly Ways[],
  measure: (way: Ways) => Promise<SignatureCost<Ways>>,
): Promise<SignatureCost<Ways>[]> {
  const measured: SignatureCost<Ways>[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) measured.push(await measure(way))
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

/** Of the whole, by the clock. */
export function percentOfTime(cost: SignatureCost<string>): number {
  return checkedMs(cost) / (10 * cost.result.seconds)
}

const checkedMs = ({ checks, checkMs }: SignatureCost<string>): number => checks * checkMs

function print(measured: readonly SignatureCost<string>[]): void {
  const allCpuMs = ({ cpuMs, clientCpuMs = NaN }: SignatureCost<string>) => cpuMs + clientCpuMs
  const rows = [...Map.groupBy(measured, ({ way }) => way)].map(([way, all]) => {
    const hasClient = all.some(({ clientCpuMs }) => clientCpuMs !== undefined)
    return {
      install: way,
      seconds: summarizeBy(all, ({ result }) => result.seconds, 2),
      'CPU of the gateway, s': summarizeBy(all, ({ cpuMs }) => cpuMs / 1000, 2),
      checks: summarizeBy(all, ({ checks }) => checks, 0),
      'µs each': summarizeBy(all, ({ checkMs }) => checkMs * 1000, 0),
      "% of the gateway's CPU": summarizeBy(all, (each) => (100 * checkedMs(each)) / each.cpuMs, 1),
      "% of that and the client's": hasClient
        ? summarizeBy(all, (each) => (100 * checkedMs(each)) / allCpuMs(each), 1)
        : '',
      '% of the time': summarizeBy(all, percentOfTime, 1),
    }
  })
  console.log(toMarkdownTable(rows))
}
