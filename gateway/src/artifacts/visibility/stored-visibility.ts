/**
 * Whether what a store holds as public still is, when the rules of what is public are not those of the last run: a scope was
 * marked private, a registry is not called public any more, this machine is in another swarm, or an earlier version had other rules.
 * Judged by the names that artifacts are known by (bindings.ts), before the node joins its peers. What has none (published, shared
 * by its hash, kept for others) is public only under the rules under which it was, which may list more scopes now. Whatever else
 * can't be judged is private; whoever asks for it by a public name makes it public again.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  isCatalogError,
  openDatabase,
  type Database,
  type Digest,
  type JudgeVisibility,
  type Logger,
} from '@catalog-p2p/core'
import { scopeOf } from '../../http/route.ts'
import type { ParsedGatewayOptions } from '../../options.ts'
import { METADATA_FILE } from '../../packuments/cache/packument-cache.ts'
import { isPublicUrl } from '../../upstream/registries.ts'
import { createBindings, type Bindings } from '../bindings/bindings.ts'
import { createMarkOf, createMarks } from './privacy.ts'
import { createOwners } from './private-artifacts.ts'

type Rules = Pick<ParsedGatewayOptions, 'privateScopes' | 'publicRegistries' | 'shareScopes'> & {
  /** What tells the private swarm from others, the newest first; none: the open network. What was published in one is not for another. */
  readonly swarms?: readonly string[]
}

export interface StoredVisibility {
  /** undefined: the rules are those of the last run. */
  readonly judge: JudgeVisibility | undefined
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
  CREATE TABLE IF NOT EXISTS public_before (
    id INTEGER PRIMARY KEY, rules TEXT NOT NULL, digest TEXT NOT NULL, UNIQUE (rules, digest)
  ) STRICT;
`
/** Some 200 bytes each. Those that were hidden first are forgotten first, and stay private. */
const MAX_HIDDEN = 200_000

/** `path`: of the store. @throws CatalogError STORE_LOCKED */
export async function openStoredVisibility(
  { log }: { log: Logger },
  { path, rules }: { path: string | undefined; rules: Rules },
): Promise<StoredVisibility> {
  const nothing = { judge: undefined, accept: () => undefined, close: () => undefined }
  if (path === undefined) return nothing // in memory: nothing lasts
  let database
  let row
  try {
    database = await openDatabase(join(path, METADATA_FILE))
    database.exec(SCHEMA)
    row = database.prepare('SELECT rules FROM visibility_rules').get()
  } catch (error) {
    database?.close()
    if (isCatalogError(error, 'STORE_LOCKED')) throw error
    log.warn('visibility.unknown', {
      path,
      error,
      effect: 'nothing of the store is given to peers',
    })
    return { ...nothing, judge: () => 'private' }
  }
  const open = database
  const now = identitiesOf(rules)
  const before = (row as { rules: string } | undefined)?.rules
  const isSame = before !== undefined && now.includes(before)
  if (!isSame && before !== undefined) log.info('visibility.rules-changed', { path })
  const hidden = createHidden(open, { before, now, sharesMore: sharesMore(open, rules, before) })
  return {
    judge: isSame ? undefined : createJudge(open, rules, hidden),
    accept() {
      if (before === now[0]) return
      // Together: what is shared from now on must be known to be so when it is shared no more.
      open.exec('BEGIN; DELETE FROM shared_scopes')
      const share = open.prepare('INSERT OR IGNORE INTO shared_scopes VALUES (?)')
      for (const scope of rules.shareScopes) share.run(scope.toLowerCase())
      open.prepare('INSERT OR REPLACE INTO visibility_rules VALUES (1, ?)').run(now[0] ?? '')
      hidden.accept()
      open.exec('COMMIT')
    },
    close: () => open.close(),
  }
}

function createJudge(
  database: Database,
  { privateScopes, publicRegistries, shareScopes }: Rules,
  hidden: Hidden,
): JudgeVisibility {
  const wasShared = createMarks(sharedBefore(database))
  const markOf = createMarkOf({ privateScopes, shareScopes })
  const bindings = createBindings(database)
  const owners = createOwners(database)
  const isPublic = (digest: Digest, names: ReturnType<Bindings['namesOf']>): boolean => {
    if (names.some(({ name }) => markOf(name) === 'shared')) return true
    // Of a private swarm that was left: private as before, for those whose credentials its registry accepts.
    if (names.some(({ name }) => wasShared(name))) return false
    const isOpen = names.some(({ registry, name, signature }) => {
      // It was public when it came: a scope of a public registry has been seen to be, or needed no credentials.
      if (isPublicUrl(new URL(registry), publicRegistries)) return true
      return signature === 'valid' && scopeOf(name) === undefined
    })
    if (isOpen && !names.some(({ name }) => markOf(name) === 'private')) return true
    // Until now every user of this machine could have it. What has no name may have lost that of a private package that was shared.
    if (names.length > 0) owners.add(digest, '')
    return false
  }
  return (digest, visibility) => {
    const names = bindings.namesOf(digest)
    if (visibility === 'private') {
      return names.length === 0 && hidden.wasPublic(digest) ? 'public' : 'private'
    }
    if (names.length === 0 && hidden.sharesMore) return 'public'
    if (isPublic(digest, names)) return 'public'
    if (names.length === 0) hidden.add(digest)
    return 'private'
  }
}

/** Whether only scopes have been added to those that the swarm shares. */
function sharesMore(database: Database, rules: Rules, before: string | undefined): boolean {
  const scopes = sharedBefore(database)
  const now = new Set(rules.shareScopes.map((scope) => scope.toLowerCase()))
  return (
    before !== undefined &&
    scopes.every((scope) => now.has(scope)) &&
    identitiesOf({ ...rules, shareScopes: scopes }).includes(before)
  )
}

function sharedBefore(database: Database): string[] {
  const rows = database.prepare('SELECT scope FROM shared_scopes').all()
  return (rows as { scope: string }[]).map(({ scope }) => scope)
}

/** What was public under other rules than now, and has no name by which it could be judged. */
interface Hidden {
  /** Nothing has to be hidden. */
  readonly sharesMore: boolean
  add(digest: Digest): void
  /** Under the rules that count now. */
  wasPublic(digest: Digest): boolean
  accept(): void
}

function createHidden(
  database: Database,
  {
    before,
    now,
    sharesMore,
  }: {
    readonly before: string | undefined
    readonly now: readonly string[]
    readonly sharesMore: boolean
  },
): Hidden {
  const places = now.map(() => '?').join(', ')
  const sql = {
    add: database.prepare('INSERT OR IGNORE INTO public_before (rules, digest) VALUES (?, ?)'),
    find: database.prepare(`SELECT 1 FROM public_before WHERE digest = ? AND rules IN (${places})`),
    drop: database.prepare(`DELETE FROM public_before WHERE rules IN (${places})`),
    trim: database.prepare(
      `DELETE FROM public_before WHERE id <= (SELECT max(id) FROM public_before) - ${MAX_HIDDEN}`,
    ),
  }
  return {
    sharesMore,
    add: (digest) => before !== undefined && void sql.add.run(before, digest),
    wasPublic: (digest) => sql.find.get(digest, ...now) !== undefined,
    accept() {
      sql.drop.run(...now)
      sql.trim.run()
    },
  }
}

/** Of the same rules in a swarm that has had other keys before: the newest first. */
function identitiesOf({ swarms = [], ...rules }: Rules): string[] {
  return (swarms.length === 0 ? [''] : swarms).map((swarm) => identityOf(rules, swarm))
}

function identityOf(
  { privateScopes, publicRegistries, shareScopes }: Omit<Rules, 'swarms'>,
  swarm: string,
): string {
  const scopes = privateScopes.map((scope) => scope.toLowerCase()).sort()
  const shared = shareScopes.map((scope) => scope.toLowerCase()).sort()
  const parts = [RULES_VERSION, scopes, publicRegistries.toSorted()]
  // Of the open network it is what earlier versions have written.
  const isOpen = shared.length === 0 && swarm === ''
  const text = JSON.stringify(isOpen ? parts : [...parts, shared, swarm])
  return createHash('sha256').update(text).digest('hex')
}
