/**
 * Which peers we have met, in a small table beside libp2p's peer store, which has their addresses. A restarted node finds its
 * peers again without asking others, and believes their addresses as far as it did where it met them. The look for peers
 * reads this table, every few seconds on a lonely node, and never walks over the peer store, which strangers can fill.
 */
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock } from '../../timing/clock.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Database } from '../../disk/database.ts'
import type { PeerId } from '../host.ts'

const RECENT_MS = 24 * 60 * 60 * 1000
/** As libp2p's peer store keeps peers. */
const FORGET_MS = 30 * RECENT_MS
/** The rest of the peer store's 5,000 is for peers that we have only heard of. */
const MAX_MET = 4_000
const MET_STEP = 40
/** Of one address group among those to try: an attacker's ids would else be all of them. */
const MAX_OF_GROUP = 4

export interface PeerMemory {
  /** A connection with the peer came or went just now; `place` is its remote address. */
  saw(peer: PeerId, group: AddressGroup, place: string | undefined): void
  /** Peers to try first after a start: seen within a day, then the others; of each those known longest. */
  remembered(limit: number): Promise<PeerId[]>
}

export function createPeerMemory(
  deps: {
    readonly database: Database
    readonly clock: Clock
    /** Whether the peer store still has an address of it; those said at `place` are believed again. */
    readonly vouch: (peer: PeerId, place: string | undefined) => Promise<boolean>
  },
  options: { maxMet?: number } = {},
): PeerMemory {
  const { clock } = deps
  const { maxMet = MAX_MET } = options
  const statements = prepare(deps.database)
  let count = Number(statements.count.get()?.['met'] ?? 0)

  /** Of the address with the most, those seen least recently. */
  function forget(): void {
    const step = Math.min(MET_STEP, Math.ceil(maxMet / 10))
    statements.expire.run(clock.epochMs() - FORGET_MS)
    count = Number(statements.count.get()?.['met'] ?? 0)
    if (count <= maxMet) return
    count -= Number(statements.forget.run(step).changes)
  }

  return {
    saw(peer, group, place) {
      const now = clock.epochMs()
      const record = `/peers/${peerIdFromString(peer).toCID().toString()}`
      const isNew = statements.has.get(peer) === undefined
      statements.saw.run(peer, record, group, now, now, place ?? null)
      if (isNew) count += 1
      if (count > maxMet) forget()
    },

    async remembered(limit) {
      const found: PeerId[] = []
      const recentSince = clock.epochMs() - RECENT_MS
      for (const row of statements.remembered.all(recentSince, MAX_OF_GROUP, 4 * limit)) {
        if (found.length >= limit) break
        const { peer, place } = row
        if (typeof peer !== 'string') continue
        if (await deps.vouch(peer, typeof place === 'string' ? place : undefined)) found.push(peer)
      }
      return found
    },
  }
}

function prepare(database: Database) {
  return {
    count: database.prepare('SELECT count(*) AS met FROM met'),
    has: database.prepare('SELECT 1 FROM met WHERE peer = ?'),
    saw: database.prepare(
      `INSERT INTO met (peer, record, grp, first_seen, last_seen, place) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (peer) DO UPDATE SET last_seen = excluded.last_seen, grp = excluded.grp,
         place = coalesce(excluded.place, place)`,
    ),
    expire: database.prepare('DELETE FROM met WHERE last_seen < ?'),
    forget: database.prepare(
      `DELETE FROM met WHERE peer IN (
         SELECT peer FROM met WHERE grp =
           (SELECT grp FROM met GROUP BY grp ORDER BY count(*) DESC, max(first_seen) DESC LIMIT 1)
         ORDER BY last_seen LIMIT ?
       )`,
    ),
    remembered: database.prepare(
      `SELECT peer, place FROM (
         SELECT peer, place, last_seen >= ? AS is_recent, first_seen,
           row_number() OVER (PARTITION BY grp ORDER BY last_seen DESC) AS rank
         FROM met
       ) WHERE rank <= ? ORDER BY is_recent DESC, first_seen LIMIT ?`,
    ),
  }
}
