/** `catalog trust add|remove|list|pin`: works on the trust file; a running daemon reads the file again by itself. */
import { CatalogError, parseKeyId } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import { wordsOf } from '../../trust/key-words.ts'
import {
  parseSubject,
  withEntry,
  withoutEntries,
  type TrustEntry,
} from '../../trust/trust-entries.ts'
import { changeTrustFile, readTrustFile, trustFilePath } from '../../trust/trust-file.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable, plural } from '../shell/format.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'

export function trustPathOf(config: Config): string {
  return config.gateway.trustPath ?? trustFilePath(defaultConfigFolder())
}

export async function trustAddCommand(
  invocation: Invocation,
  asked: { subject: string; fingerprint: string; root: boolean; note?: string },
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = trustPathOf(config)
  const entry: TrustEntry = {
    subject: parseSubject(asked.subject),
    kind: asked.root ? 'root' : 'key',
    id: parseKeyId(asked.fingerprint),
    how: 'added',
    comment: [`added ${today()}`, asked.note].filter(Boolean).join(', '),
  }
  await changeTrustFile(path, (text) => withEntry(text, withPlainComment(entry)))
  const others = readTrustFile(path).filter(
    (each) => isOf(each, entry.subject) && each.id !== entry.id && each.how === 'added',
  )
  if (config.json) terminal.print(JSON.stringify({ trustFile: path, ...toJson(entry) }))
  else {
    for (const line of describe(entry)) terminal.print(line)
    if (others.length > 0) {
      terminal.print(`so may ${plural(others.length, 'other key')}: see "catalog trust list"`)
    }
    terminal.print(`no registry is asked for ${entry.subject} on this machine any more`)
  }
  return EXIT.ok
}

export async function trustRemoveCommand(
  invocation: Invocation,
  asked: { subject: string; fingerprint: string | undefined },
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = trustPathOf(config)
  const subject = parseSubject(asked.subject)
  const id = asked.fingerprint === undefined ? undefined : parseKeyId(asked.fingerprint)
  const isGone = (entry: TrustEntry): boolean =>
    isOf(entry, subject) && (id === undefined || entry.id === id)
  const before = readTrustFile(path)
  const removed = before.filter(isGone)
  if (removed.length === 0) {
    throw new CatalogError('INVALID_OPTIONS', `${path} says nothing of that`, {
      hint: '"catalog trust list" shows what it says',
    })
  }
  await changeTrustFile(path, (text) => withoutEntries(text, isGone))
  const isLast = !before.some((entry) => isOf(entry, subject) && !isGone(entry))
  if (config.json) terminal.print(JSON.stringify({ trustFile: path, removed: removed.map(toJson) }))
  else {
    terminal.print(`removed ${plural(removed.length, 'publisher')} of ${subject}`)
    if (isLast) terminal.print(`${subject} comes from its registry again`)
  }
  return EXIT.ok
}

export async function trustListCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = trustPathOf(config)
  const entries = readTrustFile(path)
  if (config.json) {
    terminal.print(JSON.stringify({ trustFile: path, entries: entries.map(toJson) }))
    return EXIT.ok
  }
  terminal.print(`trust file  ${path}`)
  if (entries.length === 0) {
    terminal.print('nothing comes from the network: "catalog trust add" says what does')
    return EXIT.ok
  }
  const rows = entries.map(({ subject, kind, id, how, comment }) => [
    ...[subject, kind, id, how === 'added' ? '' : 'first use: not compared', comment],
  ])
  const titles = ['FROM THE NETWORK', 'BY', 'FINGERPRINT', '', 'NOTE']
  const columns = titles.map((title) => ({ title }))
  for (const line of formatTable(columns, rows)) terminal.print(line)
  return EXIT.ok
}

export async function trustPinCommand(invocation: Invocation, name: string): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const path = trustPathOf(config)
  const subject = parseSubject(name)
  const [entry, ...more] = readTrustFile(path).filter(
    (each) => isOf(each, subject) && each.how === 'first-use',
  )
  if (entry === undefined || more.length > 0) {
    throw new CatalogError('INVALID_OPTIONS', `${subject}: nobody was trusted at first use`, {
      hint: 'to trust somebody with it: "catalog trust add"; what is in force: "catalog trust explain"',
    })
  }
  const pinned = { ...entry, how: 'added', comment: `compared and pinned ${today()}` } as const
  await changeTrustFile(path, (text) => withEntry(text, pinned))
  if (config.json) terminal.print(JSON.stringify({ trustFile: path, ...toJson(pinned) }))
  else for (const line of describe(pinned)) terminal.print(line)
  return EXIT.ok
}

function describe({ subject, kind, id }: TrustEntry): string[] {
  const who =
    kind === 'key' ? 'this key may publish it' : 'whoever this root certifies may publish it'
  return [`${subject}: ${who}`, `  ${id}`, `  ${wordsOf(id)}`]
}

function toJson({ subject, kind, id, how, comment }: TrustEntry): object {
  return { subject, kind, fingerprint: id, words: wordsOf(id), how, comment }
}

function isOf(entry: TrustEntry, subject: string): boolean {
  return entry.subject.toLowerCase() === subject.toLowerCase()
}

/** In one line of the file. */
function withPlainComment(entry: TrustEntry): TrustEntry {
  return { ...entry, comment: entry.comment.replace(/\s+/g, ' ').trim() }
}

function today(): string {
  return new Date().toISOString().slice(0, 10)
}
