/**
 * What the hosts of one in-memory network share: its members, how links behave, and the faults that tests switch on.
 * Production code never imports it.
 */
import type { Clock } from '../timing/clock.ts'
import { systemClock } from '../timing/clock.ts'
import { systemRandom, type Random } from '../random.ts'
import type { AddressGroup } from '../limits/address-group.ts'
import type { PeerId } from './host.ts'
import type { ProviderTable } from './memory-routing.ts'
import type { LinkConditions } from './memory-stream.ts'

export interface MemoryNetworkOptions {
  readonly clock?: Clock
  /** One way, added to each host's own. Default 0. */
  readonly latencyMs?: number
  /** Chance from 0 to 1 that a write loses its stream: both ends see a reset. Default 0. */
  readonly lossRate?: number
  /** A seeded one makes loss repeatable. */
  readonly random?: Random
  /** Unread bytes a stream may pile up before it is aborted. Default 32 MiB. */
  readonly maxInboundBytes?: number
  /** Which peers count as one address; each has its own unless given. */
  readonly groupOf?: (peer: PeerId) => AddressGroup
  /** Give hosts a ContentRouting, shared through the network. Default true. */
  readonly routing?: boolean
}

/** The faults and link qualities that tests control while hosts run. */
export interface MemoryFaults {
  setLatency(latencyMs: number): void
  /** One way, in each direction of every link of this host, on top of the network's. */
  setHostLatency(peer: PeerId, latencyMs: number): void
  setLossRate(lossRate: number): void
  /** The host accepts connections and streams and hears everything, but nothing it writes arrives. */
  silence(peer: PeerId): void
  /** It speaks again: what it wrote meanwhile arrives now. */
  unsilence(peer: PeerId): void
  /** Drops its connections and fails every dial from and to it, as if its cable were pulled. */
  cut(peer: PeerId): void
  restore(peer: PeerId): void
  /** Drops the connection between two hosts; they may dial again. */
  dropConnection(a: PeerId, b: PeerId): void
}

export interface NetworkMember {
  readonly id: PeerId
  isRunning(): boolean
  /** Loses the connection with one peer, or with all. */
  drop(peer?: PeerId): void
}

export class MemoryNetworkState<Member extends NetworkMember> implements MemoryFaults {
  readonly clock: Clock
  readonly maxInboundBytes: number
  readonly groupOf: (peer: PeerId) => AddressGroup
  readonly table: ProviderTable = { providers: new Map(), values: new Map() }
  readonly members = new Map<PeerId, Member>()
  readonly #random: Random
  readonly #hostLatencyMs = new Map<PeerId, number>()
  readonly #silenced = new Map<PeerId, PromiseWithResolvers<void>>()
  readonly #cut = new Set<PeerId>()
  #latencyMs: number
  #lossRate: number

  constructor(options: MemoryNetworkOptions) {
    this.clock = options.clock ?? systemClock
    this.maxInboundBytes = options.maxInboundBytes ?? 32 * 1024 * 1024
    this.groupOf = options.groupOf ?? ((peer) => `memory ${peer}`)
    this.#random = options.random ?? systemRandom
    this.#latencyMs = options.latencyMs ?? 0
    this.#lossRate = options.lossRate ?? 0
  }

  /** The running host that `dialler` can reach under this id. */
  reachable(dialler: PeerId, target: PeerId): Member | undefined {
    const member = this.members.get(target)
    if (member === undefined || !member.isRunning()) return undefined
    return this.#cut.has(dialler) || this.#cut.has(target) ? undefined : member
  }

  /** @throws `signal.reason` */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await this.clock.sleep(ms, signal).catch(() => signal.throwIfAborted())
    // A handshake is never instant: callers must not depend on it.
    else await new Promise(setImmediate)
    signal.throwIfAborted()
  }

  latencyBetween(from: PeerId, to: PeerId): number {
    const own = (this.#hostLatencyMs.get(from) ?? 0) + (this.#hostLatencyMs.get(to) ?? 0)
    return this.#latencyMs + own
  }

  link(from: PeerId, to: PeerId): LinkConditions {
    return {
      latencyMs: () => this.latencyBetween(from, to),
      untilClear: () => this.#silenced.get(from)?.promise,
      isLost: () => this.#lossRate > 0 && this.#random() < this.#lossRate,
    }
  }

  setLatency(latencyMs: number): void {
    this.#latencyMs = latencyMs
  }

  setHostLatency(peer: PeerId, latencyMs: number): void {
    this.#hostLatencyMs.set(peer, latencyMs)
  }

  setLossRate(lossRate: number): void {
    this.#lossRate = lossRate
  }

  silence(peer: PeerId): void {
    if (!this.#silenced.has(peer)) this.#silenced.set(peer, Promise.withResolvers())
  }

  unsilence(peer: PeerId): void {
    this.#silenced.get(peer)?.resolve()
    this.#silenced.delete(peer)
  }

  cut(peer: PeerId): void {
    this.#cut.add(peer)
    this.members.get(peer)?.drop()
  }

  restore(peer: PeerId): void {
    this.#cut.delete(peer)
  }

  dropConnection(a: PeerId, b: PeerId): void {
    this.members.get(a)?.drop(b)
  }
}

export function addressOf(peer: PeerId): string {
  return `/memory/${peer}`
}

export function peerOf(target: string): PeerId {
  return target.startsWith('/memory/') ? target.slice('/memory/'.length) : target
}
