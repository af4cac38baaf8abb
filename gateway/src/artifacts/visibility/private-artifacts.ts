/**
 * Who may read a private artifact: those whose credentials upstream gave it to, or anyone on this machine when upstream
 * asked for none (a scope is private by the user's word, too). Fingerprints only, never credentials.
 * A digest on its way in is marked before its bytes arrive, so that nobody else can join that download unasked.
 */
import type { CatalogNode, Database, Digest } from '@catalog-p2p/core'
import { createLruTable, type LruTable } from '../lru-table.ts'

export interface PrivateArtifacts {
  /** True when `digest` is private, kept or on its way, and `owner` has not been granted it. */
  isDenied(digest: Digest, owner: string | undefined): boolean
  /** Upstream gave these bytes, or the metadata that names them, to `owner`; '': to a request without credentials. */
  grant(digest: Digest, owner: string): void
  /** The same, but what nobody is known to have been given is denied. */
  forGuests(): PrivateArtifacts
  /** It is being downloaded as private until the returned function is called. */
  beginPrivate(digest: Digest): () => void
}

/** About a hundred bytes each. */
const MAX_OWNERS = 200_000

/** Of private artifacts; the empty one is anybody on this machine. */
export function createOwners(database: Database): LruTable {
  const owners = createLruTable(database, {
    ...{
      table: 'artifact_owners',
      columns: { key: 'digest', value: 'owner' },
      maxRows: MAX_OWNERS,
    },
    now: Date.now,
  })
  takeOver(database, owners)
  return owners
}

/** Earlier versions noted as anybody's what a registry gave, after a redirect, to a request with credentials. */
function takeOver(database: Database, owners: LruTable): void {
  const find = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'private_owners'"
  if (database.prepare(find).get() === undefined) return
  database.exec('BEGIN')
  const rows = database.prepare("SELECT digest, owner FROM private_owners WHERE owner <> ''").all()
  for (const { digest, owner } of rows) owners.add(String(digest), String(owner))
  database.exec('DROP TABLE private_owners; COMMIT')
}

/** `unowned`: private artifacts in the store of which no owner is known. */
export function createPrivateArtifacts(
  { node, database }: { node: CatalogNode; database: Database },
  { unowned }: { unowned: 'open' | 'denied' },
): PrivateArtifacts {
  // An owner that is forgotten has to ask upstream again; that the artifact is private is noted in the store.
  const owners = createOwners(database)
  const arriving = new Map<Digest, number>()
  const isDenied = (digest: Digest, owner: string, rule: 'open' | 'denied'): boolean => {
    const isArriving = arriving.size > 0 && arriving.has(digest)
    if (!isArriving && node.entry(digest)?.visibility !== 'private') return false
    if (owners.has(digest, [owner, ''])) return false
    return isArriving || rule === 'denied' || owners.knows(digest)
  }
  const access: PrivateArtifacts = {
    isDenied: (digest, owner = '') => isDenied(digest, owner, unowned),
    forGuests: () => ({ ...access, isDenied: (digest) => isDenied(digest, '', 'denied') }),
    grant: (digest, owner) => owners.add(digest, owner),
    beginPrivate(digest) {
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
  return access
}
