/**
 * Bans across restarts: a peer that lied stays banned, and its next lie is answered with the next, longer ban. Rows are
 * bounded, and dropped a week after their ban has ended. Losing the file costs one more lie per peer, so no ban waits for the
 * disk and no node fails because of it.
 */
import { join } from 'node:path'
import type { Clock } from '../timing/clock.ts'
import type { Database } from '../disk/database.ts'
import { openRenewable } from '../disk/renewable-database.ts'
import type { Logger } from '../log.ts'

const BANS_FILE = 'bans.sqlite'
const EFFECT = 'peers that were banned are not any more'
const MAX_BANS = 5_000
const FORGET_MS = 7 * 24 * 3600_000

export interface Ban {
  readonly kind: 'peer' | 'group'
  /** Peer id or address group. */
  readonly subject: string
  readonly strikes: number
  /** Milliseconds since the Unix epoch. */
  readonly untilMs: number
}

export interface BanStore {
  load(): readonly Ban[]
  save(ban: Ban): void
  close(): void
}

/** @throws CatalogError STORE_LOCKED, STORE_FAILED */
export async function openBanStore(
  folder: string,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<BanStore> {
  return await openRenewable(join(folder, BANS_FILE), { log, effect: EFFECT }, (database) =>
    createBanStore(database, { clock }),
  )
}

export function createBanStore(database: Database, deps: { clock: Clock }): BanStore {
  database.exec(
    `CREATE TABLE IF NOT EXISTS bans (
       kind TEXT NOT NULL, subject TEXT NOT NULL, strikes INTEGER NOT NULL, until_ms INTEGER NOT NULL,
       PRIMARY KEY (kind, subject)
     ) WITHOUT ROWID`,
  )
  const all = database.prepare('SELECT * FROM bans ORDER BY until_ms DESC LIMIT ?')
  const put = database.prepare('INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?)')
  const expire = database.prepare('DELETE FROM bans WHERE until_ms < ?')
  const count = database.prepare('SELECT count(*) AS bans FROM bans')
  // A tenth at once, so that an army of liars does not have it sorted with every lie.
  const trim = database.prepare(
    `DELETE FROM bans WHERE (kind, subject) IN
       (SELECT kind, subject FROM bans ORDER BY until_ms LIMIT ${MAX_BANS / 10})`,
  )
  let isOpen = true

  return {
    load() {
      expire.run(deps.clock.epochMs() - FORGET_MS)
      return all.all(MAX_BANS).flatMap(({ kind, subject, strikes, until_ms: untilMs }) => {
        if ((kind !== 'peer' && kind !== 'group') || typeof subject !== 'string') return []
        return [{ kind, subject, strikes: Number(strikes), untilMs: Number(untilMs) }]
      })
    },
    save({ kind, subject, strikes, untilMs }) {
      if (!isOpen) return
      put.run(kind, subject, strikes, Math.round(untilMs))
      if (Number(count.get()?.['bans'] ?? 0) > MAX_BANS) trim.run()
    },
    close() {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}
