/**
 * Whether what a peer's metadata says of a version is what its tarball says: the fields by which clients choose, install and
 * link packages, which no signature covers. Both are brought into the form that registries give them when a package is
 * published (npm's normalize-package-data and read-package-json), so that only a lie differs. Pure; runs in a worker.
 */
import { runsOnInstall } from './signed-document.ts'

type Json = Record<string, unknown>

export interface TarballManifest {
  /** Text of package.json. */
  readonly packageJson: string
  /** There is a binding.gyp beside it: npm then runs node-gyp at an install. */
  readonly hasGypFile: boolean
  readonly hasShrinkwrap: boolean
}

/**
 * The field in which they differ; undefined: in none.
 * @throws Error when package.json is not one
 */
export function differingField(said: Json, tarball: TarballManifest): string | undefined {
  const own: unknown = JSON.parse(tarball.packageJson.replace(/^\uFEFF/, ''))
  if (!isObject(own)) throw new Error('package.json is not an object')
  const there = formOf(said, {
    runsScripts: said.hasInstallScript === true,
    hasShrinkwrap: said._hasShrinkwrap === true,
  })
  const here = formOf(own, {
    runsScripts: runsOnInstall(own.scripts) || runsGyp(own, tarball),
    hasShrinkwrap: tarball.hasShrinkwrap,
  })
  const isDirectory = isObject(own.directories) && typeof own.directories.bin === 'string'
  for (const [field, value] of Object.entries(here)) {
    // Which files a folder has stands in no package.json; clients link what they find in it.
    if (field === 'bin' && isDirectory && own.bin === undefined) continue
    if (canonical(there[field]) !== canonical(value)) return field
  }
  return undefined
}

interface Seen {
  readonly runsScripts: boolean
  readonly hasShrinkwrap: boolean
}

function formOf(manifest: Json, { runsScripts, hasShrinkwrap }: Seen): Json {
  const optional = rangesOf(manifest.optionalDependencies)
  // An optional dependency may stand among the others too, or not.
  const dependencies = { ...rangesOf(manifest.dependencies), ...optional }
  const bundled = manifest.bundleDependencies ?? manifest.bundledDependencies
  return {
    name: manifest.name,
    version: typeof manifest.version === 'string' ? versionOf(manifest.version) : undefined,
    dependencies,
    optionalDependencies: optional,
    peerDependencies: rangesOf(manifest.peerDependencies),
    peerDependenciesMeta: metaOf(manifest.peerDependenciesMeta),
    bundleDependencies: bundled === true ? Object.keys(dependencies).sort() : listOf(bundled),
    bin: binOf(manifest),
    engines: isObject(manifest.engines) ? manifest.engines : {},
    os: listOf(manifest.os),
    cpu: listOf(manifest.cpu),
    libc: listOf(manifest.libc),
    hasInstallScript: runsScripts,
    _hasShrinkwrap: hasShrinkwrap,
  }
}

function runsGyp({ scripts, gypfile }: Json, { hasGypFile }: TarballManifest): boolean {
  const own = isObject(scripts) && (scripts.install ?? scripts.preinstall) !== undefined
  return hasGypFile && gypfile !== false && !own
}

function versionOf(version: string): string {
  // Registries leave out what says nothing about the order of versions.
  return version
    .trim()
    .replace(/^[=v\s]+/, '')
    .replace(/\+.*$/, '')
}

function rangesOf(value: unknown): Record<string, string> {
  if (!isObject(value)) return {}
  const ranges = Object.entries(value).filter(([, range]) => typeof range === 'string')
  return Object.fromEntries(ranges.map(([name, range]) => [name.trim(), rangeOf(range as string)]))
}

/** One spelling of a repository at a host, of which npm knows several; anything else as it is. */
function rangeOf(range: string): string {
  const text = range.trim()
  const pattern =
    /^(?:(?:git\+)?(?:https?|ssh|git):\/\/(?:[^@/]*@)?(github|gitlab|bitbucket)\.(?:com|org)[/:]|(github|gitlab|bitbucket):)?([\w.-]+)\/([\w.-]+?)(?:\.git)?(#.*)?$/i
  const found = pattern.exec(text)
  if (found === null) return text
  const [, host, short, owner, repository, commit = ''] = found
  return `${(host ?? short ?? 'github').toLowerCase()}:${owner}/${repository}${commit}`
}

function metaOf(value: unknown): Json {
  if (!isObject(value)) return {}
  const entries = Object.entries(value).map(([name, meta]) => [
    name,
    isObject(meta) && meta.optional === true,
  ])
  return Object.fromEntries(entries) as Json
}

/** What goes where; npm drops what it could not link. */
function binOf({ name, bin }: Json): Json {
  const base = typeof name === 'string' ? name.slice(name.indexOf('/') + 1) : ''
  const given = typeof bin === 'string' ? { [base]: bin } : bin
  if (Array.isArray(given)) {
    const paths = given.filter((path): path is string => typeof path === 'string')
    return binOf({ bin: Object.fromEntries(paths.map((path) => [baseOf(path), path])) })
  }
  if (!isObject(given)) return {}
  const entries = Object.entries(given).flatMap(([command, path]) => {
    const [key, target] = [baseOf(command), typeof path === 'string' ? insideOf(path) : '']
    return key === '' || target === '' ? [] : [[key, target] as const]
  })
  return Object.fromEntries(entries)
}

function baseOf(path: string): string {
  return path.replace(/[\\:]/g, '/').split('/').filter(Boolean).at(-1) ?? ''
}

/** As seen from the package's folder, which a path cannot leave. */
function insideOf(path: string): string {
  const parts: string[] = []
  for (const part of path.replaceAll('\\', '/').split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

function listOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.filter((each): each is string => typeof each === 'string').sort()
}

/** Equal for equal values, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isObject(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
