/**
 * Whether what a store holds as public still is, when the rules of what is public are not those of the last run: a scope was
 * marked private, a registry is not called public any more, or an earlier version had other rules. Judged by the names that
 * artifacts are known by (bindings.ts), before the node joins its peers. What can't be judged is private; whoever asks for it by
 * a public name makes it public again.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  isCatalogError,
  openDatabase,
  type Database,
  type Digest,
  type Logger,
} from '@catalog-p2p/core'
import { scopeOf } from '../http/route.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import { METADATA_FILE } from '../packuments/packument-cache.ts'
import { isPublicUrl } from '../upstream/registries.ts'
import { createBindings } from './bindings.ts'
import { createMarks } from './privacy.ts'
import { createOwners } from './private-artifacts.ts'

type Rules = Pick<ParsedGatewayOptions, 'privateScopes' | 'publicRegistries' | 'shareScopes'> & {
  /** Tells the private swarm from others, empty: of the open network. What was published in one is not for another. */
  readonly swarm?: string
}

export interface StoredVisibility {
  /** undefined: the rules are those of the last run. */
  readonly isStillPublic: ((digest: Digest) => boolean) | undefined
  /** The node has started, so everything has been judged: remembered for the next run. */
  accept(): void
  /** Gives the database free for the gateway. */
  close(): void
}

/** One more whenever this version calls something private that an earlier one called public. */
const RULES_VERSION = 1
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS visibility_rules (only INTEGER PRIMARY KEY, rules TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS shared_scopes (scope TEXT PRIMARY KEY) STRICT;
`

/** `path`: of the store. @throws CatalogError STORE_LOCKED */
export async function openStoredVisibility(
  { log }: { log: Logger },
  { path, rules }: { path: string | undefined; rules: Rules },
): Promise<StoredVisibility> {
  const nothing = { isStillPublic: undefined, accept: () => undefined, close: () => undefined }
  if (path === undefined) return nothing // in memory: nothing lasts
  let database
  try {
    database = await openDatabase(join(path, METADATA_FILE))
    database.exec(SCHEMA)
  } catch (error) {
    database?.close()
    if (isCatalogError(error, 'STORE_LOCKED')) throw error
    log.warn('visibility.unknown', {
      path,
      error,
      effect: 'nothing of the store is given to peers',
    })
    return { ...nothing, isStillPublic: () => false }
  }
  const open = database
  const now = identityOf(rules)
  const before = open.prepare('SELECT rules FROM visibility_rules').get()
  const isSame = (before as { rules: string } | undefined)?.rules === now
  if (!isSame && before !== undefined) log.info('visibility.rules-changed', { path })
  return {
    isStillPublic: isSame ? undefined : createJudge(open, rules),
    accept() {
      if (isSame) return
      // Together: what is shared from now on must be known to be so when it is shared no more.
      open.exec('BEGIN; DELETE FROM shared_scopes')
      const share = open.prepare('INSERT OR IGNORE INTO shared_scopes VALUES (?)')
      for (const scope of rules.shareScopes) share.run(scope.toLowerCase())
      open.prepare('INSERT OR REPLACE INTO visibility_rules VALUES (1, ?)').run(now)
      open.exec('COMMIT')
    },
    close: () => open.close(),
  }
}

function createJudge(
  database: Database,
  { privateScopes, publicRegistries, shareScopes }: Rules,
): (digest: Digest) => boolean {
  const before = database.prepare('SELECT scope FROM shared_scopes').all() as { scope: string }[]
  const wasShared = createMarks(before.map(({ scope }) => scope))
  const isShared = createMarks(shareScopes)
  const bindings = createBindings(database)
  const owners = createOwners(database)
  const isMarked = createMarks(privateScopes)
  return (digest) => {
    const names = bindings.namesOf(digest)
    if (names.some(({ name }) => isShared(name))) return true
    // Of a private swarm that was left: private as before, for those whose credentials its registry accepts.
    if (names.some(({ name }) => wasShared(name))) return false
    const isPublic = names.some(({ registry, name, signature }) => {
      // It was public when it came: a scope of a public registry has been seen to be, or needed no credentials.
      if (isPublicUrl(new URL(registry), publicRegistries)) return true
      return signature === 'valid' && scopeOf(name) === undefined
    })
    if (isPublic && !names.some(({ name }) => isMarked(name))) return true
    // Until now every user of this machine could have it.
    owners.add(digest, '')
    return false
  }
}

function identityOf({ privateScopes, publicRegistries, shareScopes, swarm = '' }: Rules): string {
  const scopes = privateScopes.map((scope) => scope.toLowerCase()).sort()
  const shared = shareScopes.map((scope) => scope.toLowerCase()).sort()
  const parts = [RULES_VERSION, scopes, publicRegistries.toSorted()]
  // Of the open network it is what earlier versions have written.
  const isOpen = shared.length === 0 && swarm === ''
  const text = JSON.stringify(isOpen ? parts : [...parts, shared, swarm])
  return createHash('sha256').update(text).digest('hex')
}
