/**
 * What a client should find in `dist.tarball`: each one treats that URL in a way of its own, and the wrong spelling
 * bypasses the gateway or ends up in a lockfile. Pure.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { remembered } from '../http/remembered.ts'
import { DEFAULT_REGISTRY_HOST } from '../upstream/default-registry.ts'

/**
 * `leave`: as upstream wrote it, where it names npm's public registry (npm and Deno fetch such a URL from the registry
 * they are configured with, and their lockfiles stay portable); anywhere else `self`.
 * `verbatim`: as upstream wrote it, whatever it names (our Yarn plugin asks in Yarn's place, which must see what it always saw).
 * `self`: this gateway, spelled as the client spelled it.
 * `usual`: `self` where upstream's URL is the usual one, which pnpm and Yarn derive and leave out of their lockfiles; any other
 * is as upstream wrote it, because they note it, and a lockfile without it would not work without us.
 * `usual-if-open`: as `usual`, but `self` for what needs credentials: Yarn 4 and Bun show none outside of their registry.
 * `omit`: as `usual-if-open`, but no URL instead of `self` (Bun then derives it, and its lockfile stays portable).
 */
export type TarballPolicy = 'leave' | 'verbatim' | 'self' | 'usual' | 'usual-if-open' | 'omit'

/** The policy for a client, by its User-Agent. */
export const tarballPolicy = remembered((userAgent = ''): TarballPolicy => {
  // Not /^npm/: Verdaccio says `npm (hidden)` and would go around its uplink.
  if (/^npm\//.test(userAgent)) return 'leave'
  if (/^Deno\//.test(userAgent)) return 'leave'
  if (/^catalog-yarn-plugin\//.test(userAgent)) return 'verbatim'
  // Yarn 4 says what its HTTP library says. Yarn 1's lockfile names a host in any case.
  if (/^got /.test(userAgent)) return 'usual-if-open'
  if (/^pnpm\//.test(userAgent)) return 'usual'
  return /^Bun\//.test(userAgent) ? 'omit' : 'self'
})

export interface VariantForm {
  readonly policy: TarballPolicy
  /** Scheme, host and path prefix of this gateway as the client spells it, without a trailing slash. */
  readonly base: string
}

export interface TarballUrlContext extends VariantForm {
  /** Of the upstream that the document is from, with its slash. */
  readonly registry: string
  /** The document was not given without credentials. */
  readonly isPrivate: boolean
  readonly name: string
  readonly version: string
}

/** The `dist.tarball` to serve instead of `original`; undefined: none. */
export function tarballUrl(
  original: string | undefined,
  context: TarballUrlContext,
): string | undefined {
  const { policy, isPrivate } = context
  if (policy === 'verbatim') return original
  if (policy === 'leave' && original !== undefined && isPublicDefault(original)) return original
  const isNoted = policy === 'usual' || (policy !== 'self' && policy !== 'leave' && !isPrivate)
  if (isNoted && original !== undefined && isUnusual(original, context)) return original
  if (policy === 'omit') return undefined
  return `${context.base}/${context.name}/-/${tarballFile(context.name, context.version)}`
}

/** The file name that every client derives by itself, so that lockfiles need not mention it. */
export function tarballFile(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`
}

/**
 * The name under which a rewritten form of a document is kept: equal names have equal bytes; safe in a path.
 * `derived`: abbreviated by us from a full document.
 */
export function variantName(form: VariantForm, derived: boolean): string {
  const { policy, base } = form
  const key = namesBase(policy) ? `${policy} ${base}` : policy
  return `${derived ? 'short' : 'variant'}-${hashOf(key)}`
}

/** Of the forms that are in use: clients choose the base, by their Host header. */
const hashes = new LRUCache<string, string>({ max: 64 })

function hashOf(key: string): string {
  const known = hashes.get(key)
  if (known !== undefined) return known
  const hash = createHash('sha256').update(key).digest('base64url').slice(0, 16)
  hashes.set(key, hash)
  return hash
}

/** Whether this gateway's own address may stand in a document for such a client. */
export function namesBase(policy: TarballPolicy): boolean {
  return policy !== 'omit' && policy !== 'verbatim'
}

/** As pnpm and Yarn see it: the scheme does not count, nor how a scope's slash is spelled. */
function isUnusual(url: string, { registry, name, version }: TarballUrlContext): boolean {
  if (!/^https?:\/\//i.test(url)) return false // nobody could fetch that: ours is better
  const place = withoutScheme(url).replace(/%2f/gi, '/')
  const path = `${name}/-/${tarballFile(name, version)}`
  // A mirror's document may still name the public registry, but its tarballs are the mirror's.
  return ![withoutScheme(registry), `${DEFAULT_REGISTRY_HOST}/`].some(
    (base) => place === base + path,
  )
}

function withoutScheme(url: string): string {
  return url.slice(url.indexOf('//') + 2)
}

function isPublicDefault(url: string): boolean {
  const end = url.indexOf('/', 'https://'.length)
  return /^https?:\/\//.test(url) && url.slice(url.indexOf('//') + 2, end) === DEFAULT_REGISTRY_HOST
}
