/**
 * Which bytes a version is: name@version to integrity. First from packuments (their version lists lie with the cached
 * documents), then from lockfiles that this user had prefetched. Also other hashes to sha512, for old packages, as checked here.
 */
import { isDigest, type Database, type Digest } from '@catalog-p2p/core'
import type { PackumentCache } from './packument-cache.ts'
import { findFile, findVersion, distTagsOf, type VersionFacts } from './version-lines.ts'

export interface VersionQuery {
  /** undefined: of any registry. */
  readonly registry: string | undefined
  readonly name: string
  readonly version: string | undefined
  /** The tarball's file name, for registries with names of their own. */
  readonly file: string | undefined
  /** Fingerprints whose documents may be looked into; the empty one is everybody's. */
  readonly owners: readonly string[]
}

export interface LockedVersion {
  readonly name: string
  readonly version: string
  readonly digest: Digest
}

export interface VersionIndex {
  find(query: VersionQuery): Promise<VersionFacts | undefined>
  /** The dist-tags of the newest document, as JSON. */
  distTags(query: VersionQuery): Promise<Buffer | undefined>
  lockfileDigest(name: string, version: string): Digest | undefined
  rememberLockfile(versions: readonly LockedVersion[]): void
  /** It was not what the registry has. */
  forgetLockfile(name: string, version: string): void
  /** The sha512 of what has these other hashes (version-hashes.ts), as it was seen here. */
  digestOfHashes(hashes: string): Digest | undefined
  /** Only for bytes that were hashed here. */
  rememberHashes(hashes: string, digest: Digest): void
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS lockfile_digests (
    name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (name, version)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sha1_digests (shasum TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
`
/** Rows kept of each table, at most; the oldest go first. */
const MAX_ROWS = 200_000

export function createVersionIndex(cache: PackumentCache): VersionIndex {
  const { database } = cache
  database.exec(SCHEMA)
  trim(database, 'lockfile_digests')
  trim(database, 'sha1_digests')
  const sql = {
    lockfile: database.prepare(
      'SELECT digest FROM lockfile_digests WHERE name = ? AND version = ?',
    ),
    putLockfile: database.prepare('INSERT OR REPLACE INTO lockfile_digests VALUES (?, ?, ?)'),
    dropLockfile: database.prepare('DELETE FROM lockfile_digests WHERE name = ? AND version = ?'),
    sha1: database.prepare('SELECT digest FROM sha1_digests WHERE shasum = ?'),
    putSha1: database.prepare('INSERT OR REPLACE INTO sha1_digests VALUES (?, ?)'),
  }

  async function search<T>(
    query: VersionQuery,
    look: (lines: Buffer) => T | undefined,
  ): Promise<T | undefined> {
    for (const document of cache.findByName(query.registry, query.name, query.owners)) {
      const at = { document: document.id, hash: document.hash, part: 'versions' }
      const lines = await cache.bodies.readUnpacked(at)
      const found = lines && look(lines)
      if (found !== undefined) return found
    }
    return undefined
  }

  return {
    find: (query) =>
      search(query, (lines) => {
        const { version, file } = query
        const found = version === undefined ? undefined : findVersion(lines, version)
        return found ?? (file === undefined ? undefined : findFile(lines, file))
      }),
    distTags: (query) => search(query, distTagsOf),
    lockfileDigest: (name, version) => toDigest(sql.lockfile.get(name, version)),
    rememberLockfile(versions) {
      // One at a time would take half a second for the largest list.
      database.exec('BEGIN')
      try {
        for (const { name, version, digest } of versions) sql.putLockfile.run(name, version, digest)
        database.exec('COMMIT')
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    },
    forgetLockfile: (name, version) => void sql.dropLockfile.run(name, version),
    digestOfHashes: (hashes) => toDigest(sql.sha1.get(hashes)),
    rememberHashes: (hashes, digest) => void sql.putSha1.run(hashes, digest),
  }
}

function toDigest(row: unknown): Digest | undefined {
  const { digest } = (row ?? { digest: '' }) as { digest: string }
  return isDigest(digest) ? digest : undefined
}

function trim(database: Database, table: 'lockfile_digests' | 'sha1_digests'): void {
  database.exec(
    `DELETE FROM ${table} WHERE rowid <= (SELECT coalesce(max(rowid), 0) FROM ${table}) - ${MAX_ROWS}`,
  )
}
