/**
 * The trust file as text: one line for each publisher, `SCOPE-OR-PACKAGE key|root FINGERPRINT [first-use]`, and comments behind a
 * `#`. Made for people to read and edit: a change touches its own lines and leaves every other byte as it was. A line that makes no
 * sense makes the whole file none: to leave it out could give its name to a registry. Pure.
 */
import { CatalogError, isCatalogError, parseKeyId, type KeyId } from '@catalog-p2p/core'
import { isPackageName } from '../http/route.ts'

export interface TrustEntry {
  /** A scope with its `@`, or a package. */
  readonly subject: string
  /** root: of an organisation, whose certificates name the publishers. */
  readonly kind: 'key' | 'root'
  readonly id: KeyId
  /** first-use: nobody has compared the fingerprint; it is that of whoever published the name when it was first wanted. */
  readonly how: 'added' | 'first-use'
  /** What stands behind the `#`. */
  readonly comment: string
}

export const TRUST_HEADER = `# Whose packages a scope or a package may come from. "catalog trust" changes this file, and so may you.
# SCOPE-OR-PACKAGE  key|root  FINGERPRINT  [first-use]  # comment
`

const MAX_ENTRIES = 10_000
const SCOPE = /^@[A-Za-z0-9_.~!'()*-]+$/

/** @throws CatalogError INVALID_OPTIONS naming the line */
export function parseTrustFile(text: string, path: string): readonly TrustEntry[] {
  const entries = text.split(/\r?\n/).flatMap((line, index) => {
    const entry = parseLine(line, `${path}:${index + 1}`)
    return entry === undefined ? [] : [entry]
  })
  if (entries.length > MAX_ENTRIES) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: more than ${MAX_ENTRIES} entries`)
  }
  return entries
}

/** `text` with `entry` at its end, or in place of what was said of the same publisher of that subject. */
export function withEntry(text: string, entry: TrustEntry): string {
  const rest = withoutEntries(text, (each) => isSame(each, entry))
  const body = rest === '' ? TRUST_HEADER : rest
  return `${body}${body.endsWith('\n') ? '' : '\n'}${formatEntry(entry)}\n`
}

/** `text` without the lines of those entries. */
export function withoutEntries(text: string, isGone: (entry: TrustEntry) => boolean): string {
  const lines = text.split(/(?<=\n)/)
  const kept = lines.filter((line) => {
    const entry = parseLine(line.replace(/\r?\n$/, ''), 'the trust file')
    return entry === undefined || !isGone(entry)
  })
  return kept.join('')
}

/** @throws CatalogError INVALID_OPTIONS unless it is a scope with its `@`, or a package's name */
export function parseSubject(text: string): string {
  if (isSubject(text)) return text
  throw new CatalogError('INVALID_OPTIONS', `expected @scope or a package, got "${text}"`)
}

function isSubject(text: string): boolean {
  return text.includes('/') || !text.startsWith('@') ? isPackageName(text) : SCOPE.test(text)
}

function formatEntry({ subject, kind, id, how, comment }: TrustEntry): string {
  const words = [subject, kind, id, ...(how === 'first-use' ? [how] : [])]
  return words.join('  ') + (comment === '' ? '' : `  # ${comment}`)
}

function isSame(one: TrustEntry, other: TrustEntry): boolean {
  const isSubject = one.subject.toLowerCase() === other.subject.toLowerCase()
  return isSubject && one.kind === other.kind && one.id === other.id
}

function parseLine(line: string, where: string): TrustEntry | undefined {
  const hash = line.search(/(?:^|\s)#/)
  const said = hash === -1 ? line : line.slice(0, hash)
  const comment =
    hash === -1
      ? ''
      : line
          .slice(hash)
          .replace(/^\s*#\s*/, '')
          .trimEnd()
  const [subject = '', kind, fingerprint = '', how, ...rest] = said.trim().split(/\s+/)
  if (subject === '') return undefined
  const isForm = rest.length === 0 && (how === undefined || how === 'first-use')
  if (!isSubject(subject) || (kind !== 'key' && kind !== 'root') || !isForm) {
    throw broken(where, `expected "@scope key FINGERPRINT", got "${said.trim()}"`)
  }
  return { subject, kind, id: idIn(fingerprint, where), how: how ?? 'added', comment }
}

function idIn(fingerprint: string, where: string): KeyId {
  try {
    return parseKeyId(fingerprint)
  } catch (error) {
    if (!isCatalogError(error, 'INVALID_KEY')) throw error
    throw broken(where, error.message)
  }
}

function broken(where: string, why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `${where}: ${why}`, {
    hint: 'mend the line or delete it; "#" begins a comment',
  })
}
