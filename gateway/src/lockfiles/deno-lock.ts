/**
 * deno.lock, version 3 (`packages.npm`) and 4 or newer (`npm`). Only its npm half is a registry's; JSR packages and
 * remote modules are counted and left alone.
 */
import { parseJson } from './json-text.ts'
import { isObject } from '../is-object.ts'
import { fields, LockfileProblem, optionalText, words } from './lockfile-problem.ts'
import { splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'

export function readDenoLock(text: string, into: PackageCollector): void {
  const lock = fields(parseJson(text), 'the whole file')
  if (lock.version === undefined) throw new LockfileProblem('version: missing')
  const home = isObject(lock.packages) ? lock.packages : lock
  for (const key of Object.keys(isObject(home.jsr) ? home.jsr : {})) into.skip(key, 'jsr')
  if (home.npm === undefined) return
  for (const [key, value] of Object.entries(fields(home.npm, 'npm'))) {
    const entry = fields(value, `npm["${key}"]`)
    // name@1.0.0_peer@2.0.0: the peers it was resolved with follow the version
    const id = splitAtName(key)
    const version = id?.rest.split('_', 1)[0] ?? ''
    into.add({
      entry: key,
      name: id?.name ?? key,
      version,
      integrity: optionalText(entry.integrity, `npm["${key}"].integrity`),
      url: optionalText(entry.tarball, `npm["${key}"].tarball`),
      os: words(entry.os),
      cpu: words(entry.cpu),
      libc: words(entry.libc),
    })
  }
}
