/**
 * Whether what a peer's metadata says of a version is what its tarball says: the fields by which clients choose, install and
 * link packages, which no signature covers. The package's own word is brought into the form that registries give it when it is
 * published (npm's normalize-package-data and read-package-json), so that only a lie differs. The peer's must have that form, or be
 * the package's own to the letter: what clients read in several ways is none. Pure; runs in a worker.
 */
import { isObject } from '../../is-object.ts'
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
  const own: unknown = JSON.parse(tarball.packageJson)
  if (!isObject(own)) throw new Error('package.json is not an object')
  const there = formOf(said, {
    ...{ isSaid: true, runsScripts: said.hasInstallScript === true },
    hasShrinkwrap: said._hasShrinkwrap === true,
  })
  const here = formOf(own, {
    ...{ isSaid: false, runsScripts: runsOnInstall(own.scripts) || runsGyp(own, tarball) },
    hasShrinkwrap: tarball.hasShrinkwrap,
  })
  const folder = own.bin === undefined ? commandFolder(own) : undefined
  for (const [field, value] of Object.entries(here)) {
    if (field === 'bin' && folder !== undefined && areFilesOf(folder, there.bin)) continue
    if (VERBATIM.includes(field) && isObject(said[field])) {
      if (canonical(said[field]) === canonical(own[field])) continue
    }
    // The short form of npm's registry leaves it out; a client then takes the package for any.
    if (field === 'libc' && said.libc === undefined) continue
    // Published from a folder with a binding.gyp that is not in the tarball: there is nothing to run then.
    if (field === 'hasInstallScript' && said.hasInstallScript === true) continue
    if (canonical(there[field]) !== canonical(value)) return field
  }
  return undefined
}

/** The fields of which two peers say different things. */
export function differingFields(said: Json, other: Json): string[] {
  const [there, here] = [said, other].map((manifest) =>
    formOf(manifest, {
      ...{ isSaid: true, runsScripts: manifest.hasInstallScript === true },
      hasShrinkwrap: manifest._hasShrinkwrap === true,
    }),
  )
  return Object.keys(here ?? {}).filter(
    (field) => canonical(there?.[field]) !== canonical(here?.[field]),
  )
}

/** Whether npm would run something of it at an install. */
export function runsOnInstall(scripts: unknown): boolean {
  if (!isObject(scripts)) return false
  return ['preinstall', 'install', 'postinstall'].some(
    (name) => typeof scripts[name] === 'string' && scripts[name] !== '',
  )
}

/** Without a field of another name, so the same text says the same. */
const VERBATIM = ['dependencies', 'peerDependencies', 'bin']

interface Seen {
  /** By a peer: several ways of writing a thing are not taken for one, unless all clients do. */
  readonly isSaid: boolean
  readonly runsScripts: boolean
  readonly hasShrinkwrap: boolean
}

function formOf(manifest: Json, { isSaid, runsScripts, hasShrinkwrap }: Seen): Json {
  const optional = rangesOf(manifest.optionalDependencies, isSaid)
  const needed = rangesOf(manifest.dependencies, isSaid)
  // An optional dependency may stand among the others too, or not. Where both have a range, clients differ in which one counts.
  const dependencies = isSaid ? { ...optional, ...needed } : { ...needed, ...optional }
  const { bundleDependencies, bundledDependencies } = manifest
  const areOne = canonical(bundleDependencies) === canonical(bundledDependencies)
  const bundled =
    isSaid && !areOne && bundleDependencies !== undefined && bundledDependencies !== undefined
      ? [...listOf(bundleDependencies), ...listOf(bundledDependencies)]
      : (bundleDependencies ?? bundledDependencies)
  return {
    name: manifest.name,
    version: typeof manifest.version === 'string' ? versionOf(manifest.version) : undefined,
    dependencies,
    optionalDependencies: optional,
    peerDependencies: rangesOf(manifest.peerDependencies, isSaid),
    peerDependenciesMeta: metaOf(manifest.peerDependenciesMeta),
    bundleDependencies: bundled === true ? Object.keys(dependencies).sort() : listOf(bundled),
    bin: isSaid ? saidBinOf(manifest) : binOf(manifest),
    engines: enginesOf(manifest.engines),
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

function rangesOf(value: unknown, isSaid: boolean): Record<string, string> {
  if (!isObject(value)) return {}
  const ranges = Object.entries(value).filter(([, range]) => typeof range === 'string')
  return Object.fromEntries(
    ranges.map(([name, range]) => [isSaid ? name : name.trim(), rangeOf(range as string)]),
  )
}

const HOSTS: Readonly<Record<string, string>> = {
  'github.com': 'github',
  'gitlab.com': 'gitlab',
  'bitbucket.org': 'bitbucket',
}

/** One spelling of a repository at a host, of which npm knows several; anything else, and what is not encrypted, as it is. */
function rangeOf(range: string): string {
  const text = range.trim()
  const pattern =
    /^(?:(?:git\+)?(?:https|ssh):\/\/(?:git@)?(github\.com|gitlab\.com|bitbucket\.org)[/:]|(github|gitlab|bitbucket):)?([\w.-]+)\/([\w.-]+?)(?:\.git)?(#.*)?$/i
  const found = pattern.exec(text)
  if (found === null) return text
  const [, host, short = 'github', owner, repository, commit = ''] = found
  const name = host === undefined ? short.toLowerCase() : HOSTS[host.toLowerCase()]
  return `${name}:${owner}/${repository}${commit}`
}

/** Without what any version satisfies: npm 0.x wrote that itself. */
function enginesOf(value: unknown): Json {
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).filter(([, range]) => range !== '*'))
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

/** Of a peer: with commands and paths that no client has to mend, or as they are. */
function saidBinOf(manifest: Json): Json {
  const { bin } = manifest
  if (!isObject(bin)) return binOf(manifest)
  const isPlain = Object.entries(bin).every(
    ([command, path]) =>
      command === baseOf(command) &&
      typeof path === 'string' &&
      !/(?:^|[\\/])\.\.(?:[\\/]|$)/.test(path),
  )
  return isPlain ? binOf(manifest) : bin
}

/** Whose files are its commands, each by its name; undefined: there is none. */
function commandFolder({ directories }: Json): string | undefined {
  return isObject(directories) && typeof directories.bin === 'string'
    ? insideOf(directories.bin)
    : undefined
}

/** Which files a folder has stands in no package.json, but they can be no others. */
function areFilesOf(folder: string, bin: unknown): boolean {
  return (
    isObject(bin) &&
    Object.entries(bin).every(
      ([command, path]) =>
        typeof path === 'string' &&
        baseOf(path) === command &&
        (folder === '' || path.startsWith(`${folder}/`)),
    )
  )
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
