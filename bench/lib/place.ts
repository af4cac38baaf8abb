/**
 * Where a part of a benchmark runs: on this machine's loopback, or on a machine of its own (a network namespace) behind a
 * line. The parent is on no such machine: it reaches its children over IPC, and nothing else there.
 */
import type { Line, Machine } from '../../test/support/namespaces.ts'

export interface Place {
  readonly ipv4: string
  /** The command that runs another one there; empty: no command. */
  readonly prefix: readonly string[]
  readonly isLoopback: boolean
}

export const HERE: Place = { ipv4: '127.0.0.1', prefix: [], isLoopback: true }

export function placeOn({ ipv4, prefix }: Machine): Place {
  return { ipv4, prefix, isLoopback: false }
}

/** Nodes of a benchmark meet because they are told to, and know nobody else: nor does anybody tell them of others. */
const OFFLINE = {
  port: 0,
  mdns: false,
  dht: false,
  peerExchange: false,
  upnp: false,
  relayClient: false,
} as const

export function networkAt({
  isLoopback,
}: Place): typeof OFFLINE & { readonly loopbackOnly: boolean } {
  return { ...OFFLINE, loopbackOnly: isLoopback }
}

const UNITS: Readonly<Record<string, number>> = { mbit: 1e6, gbit: 1e9 }

/** `100mbit` or `1gbit`, as tc spells them; undefined for anything else, and for less than 1 Mbit/s. */
export function parseLine(text: string): Line | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(mbit|gbit)$/.exec(text) ?? []
  const bitsPerSecond = Number(number) * (UNITS[unit] ?? NaN)
  return bitsPerSecond >= 1e6 ? { bitsPerSecond } : undefined
}

/** What the line carries of these bytes' rate, in percent. */
export function shareOf({ bitsPerSecond }: Line, bytes: number, seconds: number): number {
  return (100 * 8 * bytes) / seconds / bitsPerSecond
}
