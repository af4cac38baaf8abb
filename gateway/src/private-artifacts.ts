/**
 * Who may read a private artifact: those whose credentials upstream gave it to, or anyone on this machine when upstream
 * asked for none (a scope is private by the user's word, too). Fingerprints only, never credentials.
 * A digest on its way in is marked before its bytes arrive, so that nobody else can join that download unasked.
 */
import type { CatalogNode, Database, Digest } from '@catalog-p2p/core'

export interface PrivateArtifacts {
  /** True when `digest` is private, kept or on its way, and `owner` has not been granted it. */
  isForeign(digest: Digest, owner: string | undefined): boolean
  /** Upstream gave these bytes, or the metadata that names them, to `owner`; '': to who showed no credentials. */
  grant(digest: Digest, owner: string): void
  /** It is being downloaded as private until the returned function is called. */
  mark(digest: Digest): () => void
}

export function createPrivateArtifacts(deps: {
  node: CatalogNode
  database: Database
}): PrivateArtifacts {
  const { node, database } = deps
  database.exec(
    'CREATE TABLE IF NOT EXISTS private_owners (digest TEXT, owner TEXT, PRIMARY KEY (digest, owner)) STRICT, WITHOUT ROWID',
  )
  const find = database.prepare(
    "SELECT 1 FROM private_owners WHERE digest = ? AND owner IN (?, '') LIMIT 1",
  )
  const insert = database.prepare('INSERT OR IGNORE INTO private_owners VALUES (?, ?)')
  const arriving = new Map<Digest, number>()
  return {
    isForeign(digest, owner) {
      const isPrivate = arriving.has(digest) || node.entry(digest)?.visibility === 'private'
      return isPrivate && find.get(digest, owner ?? '') === undefined
    },
    grant: (digest, owner) => void insert.run(digest, owner),
    mark(digest) {
      arriving.set(digest, (arriving.get(digest) ?? 0) + 1)
      let marked = true
      return () => {
        if (!marked) return
        marked = false
        const left = (arriving.get(digest) ?? 1) - 1
        if (left === 0) arriving.delete(digest)
        else arriving.set(digest, left)
      }
    },
  }
}
