/**
 * pnpm-lock.yaml of pnpm 8 to 12 (lockfileVersion 6.0 to 9.x). Keys are `/name@1.0.0(peer@2.0.0)` in version 6 and
 * `name@1.0.0` since; pnpm may put a second document before it, so all are read.
 */
import { isObject } from '../is-object.ts'
import { fields, LockfileProblem, optionalText, words } from './lockfile-problem.ts'
import type { Fields } from './lockfile-problem.ts'
import { isVersion, reasonFor, splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'
import { parseYaml } from './yaml-text.ts'

const OLDEST = 6
const NEWEST = 9

export function readPnpmLock(text: string, into: PackageCollector): void {
  let read = 0
  for (const document of parseYaml(text)) {
    if (document === null) continue
    const lock = fields(document, 'the whole file')
    checkVersion(lock.lockfileVersion)
    read += 1
    readImporters(lock.importers, into)
    if (lock.packages === undefined || lock.packages === null) continue
    for (const [key, value] of Object.entries(fields(lock.packages, 'packages'))) {
      readPackage(key, fields(value, `packages["${key}"]`), into)
    }
  }
  if (read === 0) throw new LockfileProblem('the file is empty')
}

function checkVersion(value: unknown): void {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  const major = Number.parseInt(text, 10)
  if (major >= OLDEST && major <= NEWEST) return
  const got = text === '' ? 'nothing' : text
  throw new LockfileProblem(`lockfileVersion: got ${got}, expected 6.0 to 9.x (pnpm 8 or newer)`)
}

function readPackage(key: string, entry: Fields, into: PackageCollector): void {
  const where = `packages["${key}"]`
  const resolution = fields(entry.resolution, `${where}.resolution`)
  if (resolution.type === 'directory') return into.skip(key, 'file')
  if (resolution.type === 'git') return into.skip(key, 'git')
  const id = splitAtName(key.replace(/^\//, '').replace(/\(.*$/s, ''))
  const url = optionalText(resolution.tarball, `${where}.resolution.tarball`)
  if (id === undefined || !isVersion(id.rest)) {
    return into.skip(key, reasonFor(id?.rest ?? url ?? key) ?? 'tarball')
  }
  const reason = url === undefined ? undefined : reasonFor(url)
  if (reason !== undefined) return into.skip(key, reason)
  into.add({
    entry: key,
    name: id.name,
    version: id.rest,
    integrity: optionalText(resolution.integrity, `${where}.resolution.integrity`),
    url,
    os: words(entry.os),
    cpu: words(entry.cpu),
    libc: words(entry.libc),
  })
}

// Links to workspace members stand nowhere else.
function readImporters(importers: unknown, into: PackageCollector): void {
  if (!isObject(importers)) return
  for (const [path, importer] of Object.entries(importers)) {
    if (!isObject(importer)) continue
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      const group = importer[kind]
      if (!isObject(group)) continue
      for (const [name, value] of Object.entries(group)) {
        const version = isObject(value) ? value.version : undefined
        if (typeof version === 'string' && version.startsWith('link:')) {
          into.skip(`${path}: ${name}`, 'link')
        }
      }
    }
  }
}
