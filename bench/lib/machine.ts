/**
 * Where a part of a benchmark runs: on loopback, or on a machine of its own (a network namespace) behind a line. The parent process
 * runs on none of them: it reaches its children only over IPC.
 */
import type { Place } from '../../test/support/machines/namespace-tools.ts'
import type { Line, Machine } from '../../test/support/machines/namespaces.ts'

export interface BenchMachine {
  readonly ipv4: string
  /** Put in front of a command, it runs there; empty on loopback. */
  readonly prefix: readonly string[]
  readonly isLoopback: boolean
  /** What can run there; none on loopback. */
  readonly place?: Place
}

export const LOOPBACK: BenchMachine = { ipv4: '127.0.0.1', prefix: [], isLoopback: true }

export function machineAt(machine: Machine): BenchMachine {
  const { ipv4, prefix } = machine
  return { ipv4, prefix, isLoopback: false, place: machine }
}

/** Nodes of a benchmark connect only to the peers they are given: no discovery of any kind. */
const OFFLINE = {
  port: 0,
  mdns: false,
  dht: false,
  peerExchange: false,
  upnp: false,
  relayClient: false,
} as const

export function networkOf({
  isLoopback,
}: BenchMachine): typeof OFFLINE & { readonly loopbackOnly: boolean } {
  return { ...OFFLINE, loopbackOnly: isLoopback }
}

const UNITS: Readonly<Record<string, number>> = { mbit: 1e6, gbit: 1e9 }

/** `100mbit` or `1gbit`, as tc spells them; undefined for anything else, and for less than 1 Mbit/s. */
export function parseLine(text: string): Line | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(mbit|gbit)$/.exec(text) ?? []
  const bitsPerSecond = Number(number) * (UNITS[unit] ?? NaN)
  return bitsPerSecond >= 1e6 ? { bitsPerSecond } : undefined
}

/** The rate of these bytes as a share of the line's, in percent. */
export function lineShare({ bitsPerSecond }: Line, bytes: number, seconds: number): number {
  return (100 * 8 * bytes) / seconds / bitsPerSecond
}
