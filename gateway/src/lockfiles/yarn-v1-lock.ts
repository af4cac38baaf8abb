/**
 * yarn.lock of Yarn 1: its own format, two spaces per level, `key value` lines. Only what names a package is read, the
 * dependency blocks are passed over.
 */
import { LockfileProblem } from './lockfile-problem.ts'
import { reasonFor, splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'

interface Entry {
  readonly key: string
  readonly line: number
  version?: string
  resolved?: string
  integrity?: string
}

export function readYarnV1Lock(text: string, into: PackageCollector): void {
  let entry: Entry | undefined
  let number = 0
  for (const raw of text.split('\n')) {
    number += 1
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    if (line.trim() === '' || line.startsWith('#')) continue
    if (/^[<>=]{7}/.test(line)) throw problem(number, 'a merge conflict')
    if (!line.startsWith(' ')) {
      if (entry !== undefined) addEntry(entry, into)
      if (!line.endsWith(':')) throw problem(number, 'expected "name@range:"')
      entry = { key: line.slice(0, -1), line: number }
      continue
    }
    if (entry === undefined) throw problem(number, 'a field before the first package')
    readField(line, entry, number)
  }
  if (entry !== undefined) addEntry(entry, into)
}

function readField(line: string, entry: Entry, number: number): void {
  const field = /^ {2}("?)(version|resolved|integrity)\1\s+(.+)$/s.exec(line)
  const value = field?.[3]
  if (value === undefined) {
    if (/^ {2,}\S/.test(line)) return
    throw problem(number, 'indented by one space')
  }
  const text = unquote(value)
  if (field?.[2] === 'version') entry.version = text
  else if (field?.[2] === 'resolved') entry.resolved = text
  else entry.integrity = text
}

function addEntry(entry: Entry, into: PackageCollector): void {
  const first = unquote(/^(?:"(?:[^"\\]|\\.)*"|[^,]+)/.exec(entry.key)?.[0] ?? '')
  const pattern = splitAtName(first)
  if (entry.version === undefined) throw problem(entry.line, `"${first}" has no version`)
  const range = pattern?.rest ?? ''
  const alias = range.startsWith('npm:') ? splitAtName(range.slice('npm:'.length)) : undefined
  const aliasName = alias?.name ?? (range.startsWith('npm:') ? range.slice(4) : undefined)
  // Yarn writes `…tgz#<sha1>`; for git the fragment is the commit.
  const url = entry.resolved?.split('#', 1)[0]
  const reason = sourceReason(range, entry.resolved)
  if (reason !== undefined) return into.skip(first, reason)
  into.add({
    entry: first,
    name: aliasName ?? pattern?.name ?? first,
    version: entry.version,
    integrity: entry.integrity,
    url,
  })
}

function sourceReason(range: string, resolved: string | undefined) {
  if (resolved !== undefined && reasonFor(resolved) !== undefined) return reasonFor(resolved)
  if (/^(?:git|ssh|github:|gitlab:|bitbucket:|gist:)|\.git(?:#|$)/.test(range)) return 'git'
  if (/^file:|^\.{1,2}\//.test(range)) return 'file'
  if (/^https?:\/\//.test(range)) return 'tarball'
  // `user/repo`: GitHub's shorthand
  return /^[\w.-]+\/[\w.-]+(?:#|$)/.test(range) ? 'git' : undefined
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : text
  } catch {
    return text // an odd quote is part of the text; the name check decides
  }
}

function problem(line: number, what: string): LockfileProblem {
  return new LockfileProblem(`line ${line}: ${what}`)
}
