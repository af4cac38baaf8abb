/**
 * What several peers say of one version, where they differ: the first one's word counts, but by engines and platforms, which make a
 * client pass a version over, that of the one who restricts it least. So no peer can hide a version behind "not for your
 * system" that another shows; who lied is found out by its tarball. Pure; runs in packument-worker.ts only.
 */
import semver from 'semver'
import { isObject } from '../../is-object.ts'
import { differingFields } from './compare-manifest.ts'

type Json = Record<string, unknown>

/** Of all that is said of a version, what clients choose by. */
const PLATFORM = ['engines', 'os', 'cpu', 'libc'] as const

/** In a document made of peers' words, beside its versions; so that they are kept and lost with them. */
export interface ClaimFields {
  /** Version to the peer whose word it is. */
  readonly _peers?: Readonly<Record<string, string>>
  /** The same of engines and platforms, where that is another. */
  readonly _platformPeers?: Readonly<Record<string, string>>
  /** Version to the fields of which peers say different things. */
  readonly _disputed?: Readonly<Record<string, readonly string[]>>
}

interface Claim {
  readonly manifest: Json
  readonly peer: string
}

export class VersionClaims {
  readonly #first: Claim
  #platform: Claim
  readonly #disputed = new Set<string>()

  constructor(first: Claim) {
    this.#first = first
    this.#platform = first
  }

  add(claim: Claim): void {
    for (const field of differingFields(this.#first.manifest, claim.manifest)) {
      this.#disputed.add(field)
    }
    if (restrictionOf(claim.manifest) < restrictionOf(this.#platform.manifest)) {
      this.#platform = claim
    }
  }

  get peer(): string {
    return this.#first.peer
  }

  get platformPeer(): string {
    return this.#platform.peer
  }

  get disputed(): readonly string[] {
    return [...this.#disputed]
  }

  get manifest(): Json {
    if (this.#platform === this.#first) return this.#first.manifest
    const kept = Object.entries(this.#first.manifest).filter(([field]) => !isPlatform(field))
    const platform = Object.entries(this.#platform.manifest).filter(([field]) => isPlatform(field))
    return Object.fromEntries([...kept, ...platform])
  }
}

/** Whose word a field of a version is, and whether another said otherwise; empty: it is nobody's. */
export function wordOf(
  fields: ClaimFields,
  version: string,
  field: string,
): { readonly peer: string; readonly isDisputed: boolean } {
  const of = (peers: ClaimFields['_peers']): string | undefined => {
    const peer: unknown = peers?.[version]
    return typeof peer === 'string' ? peer : undefined
  }
  const peer = (isPlatform(field) ? of(fields._platformPeers) : undefined) ?? of(fields._peers)
  return { peer: peer ?? '', isDisputed: fields._disputed?.[version]?.includes(field) === true }
}

export function claimFields(versions: ReadonlyMap<string, VersionClaims>): ClaimFields {
  const of = <T>(value: (claims: VersionClaims) => T | undefined): Record<string, T> =>
    Object.fromEntries(
      [...versions].flatMap(([version, claims]) => {
        const found = value(claims)
        return found === undefined ? [] : [[version, found] as const]
      }),
    )
  const fields = {
    _peers: of(({ peer }) => (peer === '' ? undefined : peer)),
    _platformPeers: of(({ peer, platformPeer }) =>
      platformPeer === peer ? undefined : platformPeer,
    ),
    _disputed: of(({ disputed }) => (disputed.length === 0 ? undefined : disputed)),
  }
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0),
  )
}

function isPlatform(field: string): boolean {
  return PLATFORM.some((each) => each === field)
}

/** More for what shuts this machine out than for what only might shut out another. */
function restrictionOf({ engines, os, cpu, libc }: Json): number {
  const node = isObject(engines) ? engines.node : undefined
  const isOld =
    typeof node === 'string' &&
    !semver.satisfies(process.version, node, { includePrerelease: true, loose: true })
  const shut = [isOld, excludes(os, process.platform), excludes(cpu, process.arch)]
  const restricted = [isObject(engines) && Object.keys(engines).length > 0, has(os), has(cpu)]
  const count = (all: readonly boolean[]): number => all.filter(Boolean).length
  return 10 * count(shut) + count([...restricted, has(libc)])
}

/** By a list of what it is for, or of what it is not for with `!` before it. */
function excludes(list: unknown, name: string): boolean {
  const all = asList(list)
  if (all.includes(`!${name}`)) return true
  const only = all.filter((each) => !each.startsWith('!'))
  return only.length > 0 && !only.includes(name) && !only.includes('any')
}

function has(list: unknown): boolean {
  return asList(list).length > 0
}

function asList(list: unknown): string[] {
  const all: unknown[] = Array.isArray(list) ? list : [list]
  return all.filter((each): each is string => typeof each === 'string')
}
