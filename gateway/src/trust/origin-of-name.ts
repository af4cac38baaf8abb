/**
 * Where a package comes from: a registry, or publishers of the network. Never both, and never one when the other fails. The one
 * place that decides; everything that turns a name into a request asks here (by way of Registries, which has no registry for a
 * name of the network). A table of what is known, so the order in which it became known is of no account. Pure.
 */
import { CatalogError, type KeyId } from '@catalog-p2p/core'
import { scopeOf } from '../http/route.ts'
import type { TrustEntry } from './trust-entries.ts'

export type OriginOfName = RegistryOrigin | NetworkOrigin

export interface RegistryOrigin {
  readonly kind: 'registry'
}

export interface NetworkOrigin {
  readonly kind: 'network'
  /** Keys that may publish it; empty where only roots are trusted. */
  readonly publishers: readonly KeyId[]
  /** Organisations whose certificates name further keys. */
  readonly roots: readonly KeyId[]
  /** The scope or package that the trust file names. */
  readonly subject: string
  readonly how: TrustEntry['how']
}

export type NameOrigins = (name: string) => OriginOfName

const REGISTRY: RegistryOrigin = { kind: 'registry' }

/**
 * What a name is bound by, in this order: entries of the package itself, entries of its scope, and last what was only learned at
 * first use. The first that there is decides alone. Names that differ in case only count as one: they are one folder on many disks.
 */
export function originsBy(entries: readonly TrustEntry[]): NameOrigins {
  const added = originsOf(entries.filter(({ how }) => how === 'added'))
  const learned = originsOf(entries.filter(({ how }) => how === 'first-use'))
  // Most have no entry, and the question comes up several times in each request.
  if (entries.length === 0) return () => REGISTRY
  return (name) => {
    const key = name.toLowerCase()
    const scope = scopeOf(key) ?? ''
    return added.get(key) ?? added.get(scope) ?? learned.get(key) ?? learned.get(scope) ?? REGISTRY
  }
}

function originsOf(entries: readonly TrustEntry[]): ReadonlyMap<string, NetworkOrigin> {
  const groups = Map.groupBy(entries, ({ subject }) => subject.toLowerCase())
  const origins = [...groups].map(([key, [first, ...rest]]): [string, NetworkOrigin] => {
    if (first === undefined) throw new Error('a group of none')
    const idsOf = (kind: TrustEntry['kind']): KeyId[] =>
      [first, ...rest].filter((entry) => entry.kind === kind).map(({ id }) => id)
    const { subject, how } = first
    return [key, { kind: 'network', publishers: idsOf('key'), roots: idsOf('root'), subject, how }]
  })
  return new Map(origins)
}

/** @throws CatalogError NOT_FOUND for a package of the network: no registry may hear of it or answer for it */
export function requireRegistry(name: string, originOf: NameOrigins): void {
  const origin = originOf(name)
  if (origin.kind === 'registry') return
  const { subject, how } = origin
  const whose = how === 'added' ? 'those you named' : 'who published it first here'
  throw new CatalogError(
    'NOT_FOUND',
    `${name} comes from publishers of the network (${subject}: ${whose}), and no registry is asked for it`,
    {
      hint: `"catalog trust explain ${name}" says why; "catalog trust remove ${subject}" undoes it`,
    },
  )
}

/** What is known of a name when somebody of the network publishes it and nobody has said whose it is. */
export interface FirstUseFacts {
  /** The user wants publishers to be trusted by who comes first. */
  readonly isWanted: boolean
  readonly origin: OriginOfName
  /** Of the registry of that name: `unknown` while it cannot be asked. */
  readonly atRegistry: 'has it' | 'has it not' | 'unknown' | 'no registry'
}

export type FirstUseVerdict =
  { readonly verdict: 'bind' } | { readonly verdict: 'refuse'; why: string }

/** Whether the name may be bound to whoever publishes it. What a registry has never becomes the network's that way. */
export function decideFirstUse({ isWanted, origin, atRegistry }: FirstUseFacts): FirstUseVerdict {
  if (origin.kind === 'network') return refuse('its publishers are in the trust file already')
  if (!isWanted) return refuse('nobody has said whose it is')
  switch (atRegistry) {
    case 'has it':
      return refuse('a registry has a package of that name')
    case 'unknown':
      return refuse('its registry cannot be asked whether it has a package of that name')
    case 'has it not':
    case 'no registry':
      return { verdict: 'bind' }
  }
}

function refuse(why: string): FirstUseVerdict {
  return { verdict: 'refuse', why }
}
