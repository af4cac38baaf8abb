/**
 * Which bytes a version is: name@version to integrity, from packuments, whose version lists lie with the cached documents. Of
 * peers' documents only what the registry has signed. Also other hashes to sha512, for old packages, as checked here.
 */
import { isDigest, type Database, type Digest } from '@catalog-p2p/core'
import type { CachedDocument } from './cache/cached-document.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import type { PeerEvidence } from './peers/peer-evidence.ts'
import { findFile, findVersion, distTagsOf, type VersionFacts } from './document/version-lines.ts'

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

export interface VersionIndex {
  /** What peers say is verified first. */
  find(query: VersionQuery): Promise<VersionFacts | undefined>
  /** The dist-tags of the newest document, as JSON. */
  distTags(query: VersionQuery): Promise<Buffer | undefined>
  /** The sha512 of what has these other hashes (version-hashes.ts), as it was seen here. */
  digestOfHashes(hashes: string): Digest | undefined
  /** Only for bytes that were hashed here. */
  rememberHashes(hashes: string, digest: Digest): void
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sha1_digests (shasum TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
`
/** Rows kept, at most; the oldest go first. */
const MAX_ROWS = 200_000

export function createVersionIndex(
  cache: PackumentCache,
  evidence: Pick<PeerEvidence, 'isSigned'>,
): VersionIndex {
  const { database } = cache
  database.exec(SCHEMA)
  trim(database)
  const sql = {
    sha1: database.prepare('SELECT digest FROM sha1_digests WHERE shasum = ?'),
    putSha1: database.prepare('INSERT OR REPLACE INTO sha1_digests VALUES (?, ?)'),
  }

  async function search<T>(
    query: VersionQuery,
    look: (lines: Buffer, document: CachedDocument) => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const document of cache.findByName(query.registry, query.name, query.owners)) {
      const at = { document: document.id, hash: document.hash, part: 'versions' }
      const lines = await cache.bodies.readUnpacked(at)
      const found = lines && (await look(lines, document))
      if (found !== undefined) return found
    }
    return undefined
  }

  return {
    find: (query) =>
      search(query, async (lines, document) => {
        const { version, file } = query
        const named = version === undefined ? undefined : findVersion(lines, version)
        const found = named ?? (file === undefined ? undefined : findFile(lines, file))
        const isOthers = document.peerFetchedAtMs !== undefined || document.member !== undefined
        if (found === undefined || !isOthers) return found
        return (await evidence.isSigned(document, found)) ? found : undefined
      }),
    distTags: (query) => search(query, distTagsOf),
    digestOfHashes: (hashes) => toDigest(sql.sha1.get(hashes)),
    rememberHashes: (hashes, digest) => void sql.putSha1.run(hashes, digest),
  }
}

function toDigest(row: unknown): Digest | undefined {
  const { digest } = (row ?? { digest: '' }) as { digest: string }
  return isDigest(digest) ? digest : undefined
}

function trim(database: Database): void {
  database.exec(
    `DELETE FROM sha1_digests WHERE rowid <= (SELECT coalesce(max(rowid), 0) FROM sha1_digests) - ${MAX_ROWS}`,
  )
}
