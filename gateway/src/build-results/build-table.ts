/**
 * The build results that this machine knows: its own, and what others have signed. Of a writer the first one stands; only its own may
 * be replaced, when its bytes are gone. Holds hashes alone, no name and no byte of a result. Bounded: those not used longest go.
 */
import { findDigest, type Database } from '@catalog-p2p/core'
import type { BuildClaims } from './build-statement.ts'

export interface KnownBuild extends BuildClaims {
  /** A key id; empty: written on this machine, which has no key for it. */
  readonly signer: string
  /** Written on this machine. */
  readonly isOwn: boolean
  /** undefined: nobody has signed it. */
  readonly statement: Uint8Array | undefined
}

export interface BuildTable {
  /** Own ones first, the others by their signers' ids. Counts as a use. */
  find(key: string): readonly KnownBuild[]
  /** `replace`: in place of what this writer said before. */
  add(build: KnownBuild, options?: { readonly replace: boolean }): void
}

const MAX_ROWS = 100_000
/** Rows removed at once; the table may be longer than its bound by as many. */
const TRIM_ROWS = 1_000
/** A day: frequent reads must not become frequent writes. */
const TOUCH_AFTER_MS = 86_400_000
const SCHEMA = `CREATE TABLE IF NOT EXISTS build_results (
  key TEXT NOT NULL, signer TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
  tag TEXT NOT NULL, is_own INTEGER NOT NULL, statement BLOB, used_ms INTEGER NOT NULL, PRIMARY KEY (key, signer)
) STRICT, WITHOUT ROWID`

type Row = ReturnType<ReturnType<Database['prepare']>['all']>[number]

export function openBuildTable(
  database: Database,
  { now, maxRows = MAX_ROWS }: { readonly now: () => number; readonly maxRows?: number },
): BuildTable {
  database.exec(SCHEMA)
  const values = 'INTO build_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
  const sql = {
    find: database.prepare(
      'SELECT * FROM build_results WHERE key = ? ORDER BY is_own DESC, signer',
    ),
    touch: database.prepare('UPDATE build_results SET used_ms = ? WHERE key = ?'),
    add: database.prepare(`INSERT OR IGNORE ${values}`),
    replace: database.prepare(`INSERT OR REPLACE ${values}`),
    count: database.prepare('SELECT count(*) AS rows FROM build_results'),
    trim: database.prepare(
      `DELETE FROM build_results WHERE (key, signer) IN
         (SELECT key, signer FROM build_results ORDER BY used_ms LIMIT ?)`,
    ),
  }
  const count = (): number => (sql.count.get() as { rows: number }).rows
  let rows = count()

  return {
    find(key) {
      const found = sql.find.all(key)
      if (found.some((row) => now() - Number(row['used_ms']) > TOUCH_AFTER_MS)) {
        sql.touch.run(now(), key)
      }
      return found.flatMap((row) => toBuild(key, row) ?? [])
    },
    add(build, { replace } = { replace: false }) {
      const { key, signer, digest, size, durationMs, tag, isOwn, statement = null } = build
      const said = [key, signer, digest, size, durationMs, tag, Number(isOwn), statement] as const
      const { changes } = (replace ? sql.replace : sql.add).run(...said, now())
      rows += Number(changes)
      if (rows < maxRows + Math.min(TRIM_ROWS, maxRows)) return
      sql.trim.run(count() - maxRows)
      rows = count()
    },
  }
}

function toBuild(key: string, row: Row): KnownBuild | undefined {
  const { statement } = row
  const digest = findDigest(String(row['digest']))
  if (digest === undefined) return undefined
  return {
    ...{ key, signer: String(row['signer']), digest, size: Number(row['size']) },
    ...{ durationMs: Number(row['duration_ms']), tag: String(row['tag']) },
    isOwn: row['is_own'] === 1,
    statement: statement instanceof Uint8Array ? statement : undefined,
  }
}
