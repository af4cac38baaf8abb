/**
 * What every reader fills: registry packages, each name@version once, and what was left out with the reason.
 * Checks names and versions, because they come from a file that anybody may have written and go into URLs.
 */

/** Formats of lockfiles; yarn.lock has two. */
export type LockfileKind = 'npm' | 'pnpm' | 'yarn-v1' | 'yarn-berry' | 'bun' | 'deno'

export interface LockfilePackage {
  readonly name: string
  readonly version: string
  /** As the lockfile has it (SRI); Yarn Berry has none, old entries only sha1. */
  readonly integrity?: string
  /** Where the lockfile says the tarball is; absent: wherever the registry is. */
  readonly url?: string
  /** npm's lists, `!` negates. */
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

export type SkipReason =
  | 'workspace'
  | 'link'
  | 'file'
  | 'git'
  | 'tarball'
  | 'bundled'
  | 'patch'
  | 'jsr'
  | 'unreadable'
  | 'other-host'
  | 'platform'

export interface SkippedEntry {
  /** The entry's key in the lockfile. */
  readonly entry: string
  readonly reason: SkipReason
}

export interface LockfilePackages {
  readonly kind: LockfileKind
  readonly packages: readonly LockfilePackage[]
  readonly skipped: readonly SkippedEntry[]
}

/** What a reader has found, optional fields possibly undefined. */
export interface FoundPackage {
  readonly entry: string
  readonly name: string
  readonly version: string
  readonly integrity?: string | undefined
  readonly url?: string | undefined
  readonly os?: readonly string[] | undefined
  readonly cpu?: readonly string[] | undefined
  readonly libc?: readonly string[] | undefined
}

export interface PackageCollector {
  add(found: FoundPackage): void
  skip(entry: string, reason: SkipReason): void
  result(kind: LockfileKind): LockfilePackages
}

const NAME = /^(?:@[\w.~-]+\/)?(?!\.)[\w.~!'()*-]+$/
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/
const MAX_NAME_LENGTH = 214

/** True for `1.2.3-beta.1+build`: what a registry has, unlike a URL or a range. */
export function isVersion(text: string): boolean {
  return text.length <= 256 && VERSION.test(text)
}

export function createCollector(): PackageCollector {
  const packages = new Map<string, LockfilePackage>()
  const skipped: SkippedEntry[] = []
  return {
    add(found) {
      const { entry, name, version } = found
      if (name.length > MAX_NAME_LENGTH || !NAME.test(name) || !isVersion(version)) {
        skipped.push({ entry, reason: 'unreadable' })
        return
      }
      const key = `${name}@${version}`
      const known = packages.get(key)
      // The same package may stand there twice, with and without its digest (yarn's several ranges, npm v1's nesting).
      if (known === undefined || (known.integrity === undefined && found.integrity !== undefined)) {
        packages.set(key, compact(found))
      }
    },
    skip: (entry, reason) => void skipped.push({ entry, reason }),
    result: (kind) => ({ kind, packages: [...packages.values()], skipped }),
  }
}

function compact(found: FoundPackage): LockfilePackage {
  const { name, version, integrity, url, os, cpu, libc } = found
  return {
    name,
    version,
    ...(integrity !== undefined && integrity !== '' && { integrity }),
    ...(url !== undefined && url !== '' && { url }),
    ...(os !== undefined && { os }),
    ...(cpu !== undefined && { cpu }),
    ...(libc !== undefined && { libc }),
  }
}

/** `name` and `rest` of `name@rest`, `@scope/name@rest`; undefined where there is no `@` after the name. */
export function splitAtName(text: string): { name: string; rest: string } | undefined {
  const at = text.indexOf('@', 1)
  return at === -1 ? undefined : { name: text.slice(0, at), rest: text.slice(at + 1) }
}

/** The reason to leave out something that comes from `source` (a URL or a protocol), undefined for http(s). */
export function reasonFor(source: string): SkipReason | undefined {
  if (/^workspace:/.test(source)) return 'workspace'
  if (/^(?:link|portal):/.test(source)) return 'link'
  if (/^file:|^\.{0,2}\/|^~\/|^[A-Za-z]:[\\/]/.test(source)) return 'file'
  if (/^patch:/.test(source)) return 'patch'
  if (/^jsr:/.test(source)) return 'jsr'
  if (/^git(?:\+|:|@)|^ssh:|^(?:github|gitlab|bitbucket|gist):|\.git(?:#|$)/.test(source)) {
    return 'git'
  }
  if (/^https?:\/\//.test(source)) return undefined
  return 'unreadable'
}
