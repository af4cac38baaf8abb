/**
 * What a client should find in `dist.tarball`: each one treats that URL in a way of its own, and the wrong spelling
 * bypasses the gateway or ends up in a lockfile. Pure.
 */
import { DEFAULT_REGISTRY_HOST } from './default-registry.ts'

/**
 * `leave`: as upstream wrote it, where it names npm's public registry (npm and Deno fetch such a URL from the registry
 * they are configured with, and their lockfiles stay portable); anywhere else `self`.
 * `verbatim`: as upstream wrote it, whatever it names (our Yarn plugin asks in Yarn's place, which must see what it always saw).
 * `self`: this gateway, spelled as the client spelled it. `omit`: no URL (Bun then derives it, and its lockfile stays portable).
 */
export type TarballPolicy = 'leave' | 'verbatim' | 'self' | 'omit'

/** The policy for a client, by its User-Agent. */
export function tarballPolicy(userAgent: string | undefined): TarballPolicy {
  // Not /^npm/: Verdaccio says `npm (hidden)` and would go around its uplink.
  if (/^npm\//.test(userAgent ?? '')) return 'leave'
  if (/^Deno\//.test(userAgent ?? '')) return 'leave'
  if (/^catalog-yarn-plugin\//.test(userAgent ?? '')) return 'verbatim'
  return /^Bun\//.test(userAgent ?? '') ? 'omit' : 'self'
}

export interface TarballUrlContext {
  readonly policy: TarballPolicy
  /** Scheme, host and path prefix of this gateway as the client spells it, without a trailing slash. */
  readonly base: string
  readonly name: string
  readonly version: string
}

/** The `dist.tarball` to serve instead of `original`; undefined: none. */
export function tarballUrl(
  original: string | undefined,
  context: TarballUrlContext,
): string | undefined {
  if (context.policy === 'omit') return undefined
  if (context.policy === 'verbatim') return original
  if (context.policy === 'leave' && original !== undefined && isPublicDefault(original)) {
    return original
  }
  return `${context.base}/${context.name}/-/${tarballFile(context.name, context.version)}`
}

/** The file name that every client derives by itself, so that lockfiles need not mention it. */
export function tarballFile(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`
}

/** What tells variants of one document apart: equal keys have equal bytes. */
export function variantKey(policy: TarballPolicy, base: string): string {
  return policy === 'omit' || policy === 'verbatim' ? policy : `${policy} ${base}`
}

function isPublicDefault(url: string): boolean {
  const end = url.indexOf('/', 'https://'.length)
  return /^https?:\/\//.test(url) && url.slice(url.indexOf('//') + 2, end) === DEFAULT_REGISTRY_HOST
}
