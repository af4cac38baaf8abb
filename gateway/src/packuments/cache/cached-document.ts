/** What is known of one packument that lies in the cache. Types only; packument-cache.ts keeps them. */
import type { Origin } from '@catalog-p2p/core'
import type { Aged } from './freshness.ts'
import type { WitnessVerdict } from '../witness/verdict.ts'

export type Visibility = Origin['visibility']

export type PackumentKind = 'full' | 'abbreviated'

/** Whose word a document is. What peers say lies beside what the registry has said, and replaces nothing of it. */
export type SaidBy = 'registry' | 'peers'

export interface DocumentKey {
  /** The registry's URL. */
  readonly registry: string
  readonly name: string
  /** Fingerprint of the credentials that were needed; empty: anyone may see it. */
  readonly owner: string
}

/** That a document is still the one of whoever gave it. */
export interface Confirmed extends Aged {
  /** undefined: as it was. */
  readonly peerFetchedAtMs?: number | undefined
}

export interface CachedDocument extends DocumentKey, Aged {
  /** Names its folder of bodies. */
  readonly id: string
  readonly kind: PackumentKind
  /** Of upstream's text: two documents with one hash are the same. */
  readonly hash: string
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** No URL in it changes for clients whose policy is `leave`. */
  readonly publicUrls: boolean
  /**
   * Unix time, milliseconds: when the registry gave it to the peer that we have it from, as that peer says. undefined: the
   * registry gave it to us.
   */
  readonly peerFetchedAtMs: number | undefined
  /** The machine of our certified swarm that says the registry gave it this; undefined: the registry gave it to us. */
  readonly member?: string | undefined
  /** When it says that the package was changed last; Unix time, milliseconds. */
  readonly modifiedAtMs?: number | undefined
  /** What witnesses made of it; undefined: none was asked. */
  readonly witness?: WitnessVerdict | undefined
}
