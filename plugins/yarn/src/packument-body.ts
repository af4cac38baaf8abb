/**
 * A packument's body for Yarn: its own reader keeps it in memory for the whole run, so fields that it does not read are dropped;
 * other callers get the bytes.
 */
import type { Dist } from './integrity.ts'

export interface Packument {
  readonly 'dist-tags'?: Readonly<Record<string, string>>
  readonly versions?: Readonly<Record<string, VersionManifest>>
  readonly time?: Readonly<Record<string, string>>
}

export interface VersionManifest {
  readonly [field: string]: unknown
  readonly dist?: Dist & { readonly tarball?: unknown }
}

/**
 * What Yarn reads of a version, and some that it may come to read. All of the rest (readme, author, development tools'
 * settings) can be a hundred times as large.
 */
const KEPT = [
  ...['name', 'version', 'bin', 'scripts', 'os', 'cpu', 'libc', 'engines', 'deprecated'],
  ...['dependencies', 'dependenciesMeta', 'optionalDependencies', 'peerDependencies'],
  ...['peerDependenciesMeta', 'bundleDependencies', 'bundledDependencies', 'hasInstallScript'],
  ...['installConfig', '_npmUser'],
] as const

/** @throws Error when it is no packument */
export function parsePackument(bytes: Buffer): Packument {
  const parsed: unknown = JSON.parse(bytes.toString())
  if (typeof parsed !== 'object' || parsed === null) throw new Error('not a packument')
  const { versions } = parsed as Packument
  if (typeof versions !== 'object' || versions === null) throw new Error('it names no versions')
  return parsed
}

export function pickPackument(packument: Packument): Packument {
  const picked: [string, VersionManifest][] = []
  for (const [version, manifest] of Object.entries(packument.versions ?? {})) {
    const short: Record<string, unknown> = {}
    for (const field of KEPT) if (manifest[field] !== undefined) short[field] = manifest[field]
    const { tarball, integrity, shasum } = manifest.dist ?? {}
    short.dist = { tarball, integrity, shasum }
    picked.push([version, short])
  }
  // Yarn compares, sorts and iterates in the order of the registry's document.
  return {
    'dist-tags': packument['dist-tags'] ?? {},
    versions: Object.fromEntries(picked),
    ...(packument.time && { time: packument.time }),
  }
}
