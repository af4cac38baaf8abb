/**
 * bun.lock: JSON with comments and trailing commas; `packages` maps a path to a tuple. A registry package is
 * ["name@1.0.0", tarball URL or "", facts, integrity]; every other kind has facts in second place.
 * https://bun.com/docs/pm/lockfile
 */
import { parseJsonWithComments } from './json-text.ts'
import { isObject } from '../is-object.ts'
import { fields, LockfileProblem, words } from './lockfile-problem.ts'
import { isVersion, reasonFor, splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'

export function readBunLock(text: string, into: PackageCollector): void {
  const lock = fields(parseJsonWithComments(text), 'the whole file')
  if (lock.packages === undefined) {
    if (lock.lockfileVersion === undefined) throw new LockfileProblem('lockfileVersion: missing')
    return
  }
  for (const [path, value] of Object.entries(fields(lock.packages, 'packages'))) {
    const tuple: unknown = value
    if (!Array.isArray(tuple) || typeof tuple[0] !== 'string') {
      throw new LockfileProblem(`packages["${path}"]: expected a list that starts with text`)
    }
    readTuple(path, tuple, into)
  }
}

function readTuple(path: string, tuple: readonly unknown[], into: PackageCollector): void {
  const id = splitAtName(String(tuple[0]))
  const [, url, facts, integrity] = tuple
  if (id === undefined || typeof url !== 'string' || !isVersion(id.rest)) {
    return into.skip(path, bunReason(id?.rest ?? ''))
  }
  const info = isObject(facts) ? facts : {}
  if (info.bundled === true) return into.skip(path, 'bundled')
  into.add({
    entry: path,
    name: id.name,
    version: id.rest,
    integrity: typeof integrity === 'string' ? integrity : undefined,
    url,
    os: words(info.os),
    cpu: words(info.cpu),
    libc: words(info.libc),
  })
}

function bunReason(source: string) {
  if (source.startsWith('root:')) return 'workspace'
  // A path to a tarball or a folder stands there bare.
  return reasonFor(source) === 'unreadable' ? 'file' : (reasonFor(source) ?? 'tarball')
}
