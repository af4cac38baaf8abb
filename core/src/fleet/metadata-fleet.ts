/**
 * Metadata in a fleet: for each package one machine asks the registry, and the others ask that one. What it says cannot be
 * verified as bytes can, so only machines that the root of the private swarm has certified take part, and only where their
 * user wants it. Nothing of what is asked or answered is known here. docs/fleet.md
 */
import { packageKeyOf, type PackageVersion } from '../content/name-key.ts'
import type { PeerId } from '../host/host.ts'
import type { Delegates, Miss } from './delegates.ts'
import type { Watch, WatchOptions } from './watch.ts'

export interface SharedMetadataStats {
  /** Certified machines that this one shares with, itself not counted; 0 where metadata is not shared. */
  readonly members: number
  /** Documents that a delegate has given to this machine, or confirmed, this run. */
  readonly received: number
  /** Times that a delegate did not give what it was asked for. */
  readonly failed: number
  readonly misses: Readonly<Record<Miss, number>>
  /** Answers given to other machines. */
  readonly given: number
}

export interface SharedMetadata {
  /** From now on this machine asks and answers; where it is told to share nothing, it does neither. */
  join(): void
  /** Whom to ask for the metadata of that package; undefined when it is this machine that asks the registry. */
  delegateOf(of: Omit<PackageVersion, 'version'>): PeerId | undefined
  /** Whether a peer may be answered now. */
  isMember(peer: PeerId): boolean
  /** Whether it is late with what it is asked for now. */
  watch(peer: PeerId, options: WatchOptions): Watch
  /** A delegate has given what it was asked for. */
  succeeded(peer: PeerId): void
  /** It did not; see Fleet. */
  missed(peer: PeerId, why: Miss): void
  /** Another machine was answered. */
  gave(): void
}

export class MetadataFleet implements SharedMetadata {
  readonly #delegates: Delegates
  readonly #enabled: boolean
  #hasJoined = false
  #given = 0

  constructor(delegates: Delegates, enabled: boolean) {
    this.#delegates = delegates
    this.#enabled = enabled
  }

  join(): void {
    this.#hasJoined = this.#enabled
  }

  delegateOf(of: Omit<PackageVersion, 'version'>): PeerId | undefined {
    if (!this.#hasJoined) return undefined
    return this.#delegates.responsibleFor(packageKeyOf(of), { takesPart: true })
  }

  isMember(peer: PeerId): boolean {
    return this.#hasJoined && this.#delegates.isMember(peer)
  }

  watch(peer: PeerId, options: WatchOptions): Watch {
    return this.#delegates.watch(peer, options)
  }

  succeeded(peer: PeerId): void {
    this.#delegates.succeeded(peer)
  }

  missed(peer: PeerId, why: Miss): void {
    this.#delegates.missed(peer, why)
  }

  gave(): void {
    this.#given++
  }

  stats(): SharedMetadataStats {
    const members = this.#hasJoined ? this.#delegates.members().length : 0
    return { members, ...this.#delegates.stats(), given: this.#given }
  }
}
