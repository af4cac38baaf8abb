/**
 * What the dashboard is told, section by section: the names of this object are those of the events. Plain data, shared by the
 * gateway that writes it and the page that reads it. Never holds more than its viewer may see (sections.ts).
 */

export type Source = 'peer' | 'store' | 'origin'

export interface Amount {
  readonly artifacts: number
  readonly bytes: number
}

export interface Snapshot {
  readonly totals: TotalsSection
  readonly store: StoreSection
  readonly swarm: SwarmSection
}

/** Of this run of the gateway. */
export interface TotalsSection {
  /** Who looks: with the token, from this machine, or over the network. */
  readonly viewer: 'owner' | 'neighbour' | 'stranger'
  /** When the gateway began, milliseconds since 1970. */
  readonly sinceMs: number
  /** null: peers only. */
  readonly upstream: string | null
  readonly temporary: boolean
  /** Sent to clients, by where it came from. */
  readonly tarballs: Readonly<Record<Source, Amount>>
  readonly packuments: { readonly fresh: number; readonly fetched: number; readonly stale: number }
  readonly upstreamRequests: number
  readonly upstreamFailures: number
  readonly upstreamBytes: number
  /** What other peers got from here. */
  readonly uploaded: Amount
}

export interface StoreSection {
  readonly artifacts: number
  readonly bytes: number
  readonly partialBytes: number
  readonly quotaBytes: number
  readonly pinned: number
  readonly writable: boolean
}

/** `local`: same network; `near`: a few milliseconds; `far`; `new`: nothing has been measured yet. */
export type Tier = 'local' | 'near' | 'far' | 'new'

export interface SwarmPeer {
  readonly id: string
  readonly tier: Tier
  readonly transport: string
  readonly address: string
  readonly artifacts: number
  readonly rttMs: number | null
  /** Bytes that it gave us, and we gave it, this run. */
  readonly gotBytes: number
  readonly gaveBytes: number
  readonly strikes: number
}

export interface SwarmSection {
  readonly id: string
  readonly count: number
  readonly banned: number
  /** How the node is reached, in words; null: not for this viewer. */
  readonly reached: string | null
  /** null: not for this viewer. Those with most bytes first. */
  readonly peers: readonly SwarmPeer[] | null
}
