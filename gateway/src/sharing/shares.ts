/**
 * What this machine's user shares by its hash alone: a list, so that it can be shown and taken back. The bytes are in the store,
 * where nothing evicts them. It decides nothing: whoever has an address gets the bytes from any machine that has them.
 */
import { CatalogError, parseDigest, type Database, type Digest } from '@catalog-p2p/core'

export interface Share {
  readonly digest: Digest
  readonly name: string
  readonly version: string
  /** Milliseconds since the Unix epoch. */
  readonly sharedAtMs: number
}

export interface Shares {
  /** The same bytes a second time are one share. @throws CatalogError INVALID_OPTIONS when there are too many */
  add(share: Share): void
  /** The oldest first. */
  list(): Share[]
  remove(digest: Digest): void
}

type Row = Omit<Share, 'digest'> & { readonly digest: string }

const MAX_SHARES = 10_000

export function createShares(database: Database): Shares {
  database.exec(`CREATE TABLE IF NOT EXISTS shares (digest TEXT PRIMARY KEY, name TEXT NOT NULL,
    version TEXT NOT NULL, shared_ms INTEGER NOT NULL) STRICT`)
  const sql = {
    count: database.prepare('SELECT count(*) AS rows FROM shares WHERE digest <> ?'),
    add: database.prepare('INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)'),
    list: database.prepare(
      `SELECT digest, name, version, shared_ms AS sharedAtMs FROM shares ORDER BY shared_ms, digest`,
    ),
    remove: database.prepare('DELETE FROM shares WHERE digest = ?'),
  }
  return {
    add({ digest, name, version, sharedAtMs }) {
      const { rows } = sql.count.get(digest) as { rows: number }
      if (rows >= MAX_SHARES) {
        throw new CatalogError('INVALID_OPTIONS', `${rows} packages are shared already`, {
          hint: '"catalog share --list" shows them, "catalog share --remove" takes one back',
        })
      }
      sql.add.run(digest, name, version, sharedAtMs)
    },
    list: () =>
      (sql.list.all() as Row[]).map((row) => ({ ...row, digest: parseDigest(row.digest) })),
    remove: (digest) => void sql.remove.run(digest),
  }
}
