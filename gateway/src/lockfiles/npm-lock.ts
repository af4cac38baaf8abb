/**
 * package-lock.json and npm-shrinkwrap.json, lockfileVersion 1 (nested `dependencies`), 2 and 3 (flat `packages`).
 * https://docs.npmjs.com/cli/configuring-npm/package-lock-json
 */
import { parseJson } from './json-text.ts'
import { isObject } from '../is-object.ts'
import { fields, LockfileProblem, optionalText, words } from './lockfile-problem.ts'
import type { Fields } from './lockfile-problem.ts'
import { reasonFor, splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'

const FOLDER = 'node_modules/'

export function readNpmLock(text: string, into: PackageCollector): void {
  const lock = fields(parseJson(text), 'the whole file')
  if (lock.packages !== undefined) readPackages(fields(lock.packages, 'packages'), into)
  else if (lock.dependencies !== undefined) readDependencies(lock.dependencies, into)
  else if (lock.lockfileVersion === undefined) {
    throw new LockfileProblem('lockfileVersion: missing, so this is no npm lockfile')
  }
}

function readPackages(packages: Fields, into: PackageCollector): void {
  for (const [path, value] of Object.entries(packages)) {
    if (path === '') continue
    const key = `packages["${path}"]`
    const entry = fields(value, key)
    const at = path.lastIndexOf(FOLDER)
    if (entry.link === true) into.skip(path, 'link')
    else if (at === -1) into.skip(path, 'workspace')
    else if (entry.inBundle === true) into.skip(path, 'bundled')
    else {
      const name = optionalText(entry.name, `${key}.name`) ?? path.slice(at + FOLDER.length)
      addEntry({ entry, path, key, name }, into)
    }
  }
}

interface Place {
  readonly entry: Fields
  readonly path: string
  readonly key: string
  readonly name: string
}

function addEntry({ entry, path, key, name }: Place, into: PackageCollector): void {
  const url = optionalText(entry.resolved, `${key}.resolved`)
  const reason = url === undefined ? undefined : reasonFor(url)
  if (reason !== undefined) {
    into.skip(path, reason)
    return
  }
  const version = optionalText(entry.version, `${key}.version`) ?? ''
  into.add({
    entry: path,
    name,
    version,
    integrity: optionalText(entry.integrity, `${key}.integrity`),
    url,
    os: words(entry.os),
    cpu: words(entry.cpu),
    libc: words(entry.libc),
  })
}

// A stack instead of recursion: the depth is whatever the file says.
function readDependencies(root: unknown, into: PackageCollector): void {
  const waiting: { value: unknown; path: string }[] = [{ value: root, path: 'dependencies' }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const [name, value] of Object.entries(fields(next.value, next.path))) {
      const key = `${next.path}["${name}"]`
      const entry = fields(value, key)
      if (isObject(entry.dependencies)) {
        waiting.push({ value: entry.dependencies, path: `${key}.dependencies` })
      }
      if (entry.bundled === true) into.skip(key, 'bundled')
      else addOldEntry({ entry, path: key, key, name }, into)
    }
  }
}

// In version 1 the version itself says where a package that is not a registry's comes from.
function addOldEntry(place: Place, into: PackageCollector): void {
  const version = optionalText(place.entry.version, `${place.key}.version`) ?? ''
  const alias = /^npm:(.+)$/.exec(version)?.[1]
  if (alias !== undefined) {
    const target = splitAtName(alias)
    const entry = { ...place.entry, version: target?.rest ?? '' }
    addEntry({ ...place, entry, name: target?.name ?? '' }, into)
    return
  }
  if (/^\d/.test(version)) addEntry(place, into)
  else into.skip(place.path, reasonFor(version) ?? 'tarball')
}
