/**
 * `catalog ca init|issue|renew|revoke`: works on the root's key file and on the certificates beside the trust file; a
 * daemon that runs reads those again by itself and tells its peers. Needs no daemon.
 */
import { resolve } from 'node:path'
import {
  CatalogError,
  generateKey,
  isCatalogError,
  issueCertificate,
  keyIdOf,
  openCertificate,
  parseKeyId,
  signRevocations,
  type Certificate,
  type CertificateClaims,
  type HybridKey,
} from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import { toKeyFile, unlockKey } from '../../publisher-keys/key-file.ts'
import { openKeyFolder } from '../../publisher-keys/key-folder.ts'
import { replaceFile } from '../../replace-file.ts'
import { parseSubject } from '../../trust/trust-entries.ts'
import { wordsOf } from '../../trust/key-words.ts'
import { askPassphrase, newPassphrase } from '../key/passphrase.ts'
import type { Invocation } from '../shell/invocation.ts'
import { openBook } from './ca-book.ts'
import { print, readOffered } from './ca-files.ts'
import { parseLife } from './certificate-life.ts'

interface RootOption {
  readonly root: string
}

export interface RenewOptions extends RootOption {
  readonly life: string
  readonly out?: string
}

export interface IssueOptions extends RenewOptions {
  readonly for: readonly string[]
  readonly note: string
}

export interface RevokeOptions extends RootOption {
  readonly out?: string
}

/** Clocks of machines differ. */
const EARLIER_MS = 5 * 60_000

export async function caInitCommand(
  invocation: Invocation,
  { name, passphrase: isSealed }: { readonly name: string; readonly passphrase: boolean },
): Promise<number> {
  const passphrase = isSealed ? await newPassphrase(invocation) : undefined
  const root = generateKey()
  const folder = openKeyFolder(defaultConfigFolder())
  await folder.add(name, await toKeyFile(root, { passphrase, createdAt: new Date() }))
  const id = keyIdOf(root.publicKey)
  const list = { sequence: 1, issuedAtMs: Date.now(), subjects: [] }
  const book = openBook(invocation)
  await book.take(id, { revocations: signRevocations(list, root), certificates: [] })
  return print(invocation, { root: id, words: wordsOf(id), name }, [
    `made root "${name}" in ${folder.path}${isSealed ? ', sealed with the passphrase' : ''}`,
    `  ${id}`,
    `  ${wordsOf(id)}`,
    ...(isSealed
      ? []
      : ['anybody who can read its file can certify anybody: --passphrase seals it']),
    `every machine trusts it with: catalog trust add @your-scope ${id} --root`,
  ])
}

export async function caIssueCommand(
  invocation: Invocation,
  subject: string,
  options: IssueOptions,
): Promise<number> {
  const root = await unlockRoot(invocation, options)
  const who = toSubject(subject)
  const names =
    who.kind === 'publisher'
      ? options.for.map(parseSubject)
      : options.for.map((each) => each.trim())
  return issue(invocation, root, {
    ...{ subject: who, names, note: options.note, out: options.out, life: options.life },
  })
}

export async function caRenewCommand(
  invocation: Invocation,
  from: string,
  options: RenewOptions,
): Promise<number> {
  const root = await unlockRoot(invocation, options)
  const id = keyIdOf(root.publicKey)
  const isFile = await readOffered(invocation, from).catch((error: unknown) => {
    if (isCatalogError(error, 'INVALID_OPTIONS')) return undefined
    throw error
  })
  const found =
    isFile === undefined
      ? openBook(invocation)
          .of(id)
          .certificates.find(
            ({ said }) => said.subject.kind === 'publisher' && said.subject.key === keyOf(from),
          )?.said
      : openCertificate(isFile)
  if (found === undefined || found.issuer !== id) {
    throw new CatalogError('INVALID_OPTIONS', `${from}: no certificate of root "${options.root}"`, {
      hint: '"catalog ca list" shows those of publishers; a machine has its own in a file',
    })
  }
  const { subject, names, note } = found
  const out = options.out ?? (isFile === undefined ? undefined : from)
  return issue(invocation, root, { subject, names, note, out, life: options.life })
}

export async function caRevokeCommand(
  invocation: Invocation,
  subjects: readonly string[],
  options: RevokeOptions,
): Promise<number> {
  const root = await unlockRoot(invocation, options)
  const book = openBook(invocation)
  const id = keyIdOf(root.publicKey)
  const before = book.of(id).revocations?.said
  const gone = subjects.map((each) => {
    const who = toSubject(each)
    return who.kind === 'publisher' ? who.key : who.peer
  })
  const sequence = (before?.sequence ?? 0) + 1
  const list = {
    sequence,
    issuedAtMs: Date.now(),
    subjects: [...(before?.subjects ?? []), ...gone],
  }
  const revocations = signRevocations(list, root)
  await book.take(id, { revocations, certificates: [] })
  const { out } = options
  if (out !== undefined) await write(invocation, out, revocations)
  return print(invocation, { root: id, sequence, revoked: gone, file: out ?? null }, [
    ...gone.map((each) => `revoked  ${each}`),
    `revocation list ${sequence} of ${id}`,
    'a daemon that runs here tells its peers; each machine keeps the highest list that it has seen',
    ...(before === undefined
      ? [
          'no earlier list was here: had there been one elsewhere, this one counts only if its number is higher',
        ]
      : []),
  ])
}

async function issue(
  invocation: Invocation,
  root: HybridKey,
  wanted: Pick<CertificateClaims, 'subject' | 'names' | 'note'> & {
    readonly life: string
    readonly out: string | undefined
  },
): Promise<number> {
  const { subject, names, note, life, out } = wanted
  if (subject.kind === 'machine' && out === undefined) {
    throw new CatalogError('INVALID_OPTIONS', 'a machine needs its certificate as a file', {
      hint: 'name one with --out, and have the machine take it over: catalog swarm certify FILE',
    })
  }
  const nowMs = Date.now()
  const claims = {
    ...{ subject, names, note },
    ...{ notBeforeMs: nowMs - EARLIER_MS, notAfterMs: nowMs + parseLife(life) },
  }
  const id = keyIdOf(root.publicKey)
  const book = openBook(invocation)
  const who = subject.kind === 'publisher' ? subject.key : subject.peer
  if (book.of(id).revocations?.said.subjects.includes(who) === true) {
    throw new CatalogError('INVALID_OPTIONS', `${who} has been revoked, and stays so`, {
      hint: 'what was revoked may have been stolen: certify a new key',
    })
  }
  const bytes = issueCertificate(claims, root)
  if (subject.kind === 'publisher') {
    await book.take(id, { revocations: undefined, certificates: [bytes] })
  }
  if (out !== undefined) await write(invocation, out, bytes)
  const until = new Date(claims.notAfterMs).toISOString()
  return print(invocation, { root: id, subject: who, names, until, file: out ?? null }, [
    `certified ${who}`,
    `  for ${names.join(', ')} until ${until}`,
    ...(out === undefined ? [] : [`  in ${out}`]),
    subject.kind === 'publisher'
      ? 'machines that trust this root get it from peers, or by "catalog ca import FILE"'
      : 'on that machine: catalog swarm certify FILE',
  ])
}

async function unlockRoot(invocation: Invocation, { root }: RootOption): Promise<HybridKey> {
  const key = await openKeyFolder(defaultConfigFolder()).read(root)
  return unlockKey(key, () => askPassphrase(invocation, `passphrase of "${root}"`))
}

/** A fingerprint, or a peer id. @throws CatalogError INVALID_KEY */
function toSubject(text: string): Certificate['subject'] {
  if (/^(?:12D3Koo|Qm|16Uiu2)[1-9A-HJ-NP-Za-km-z]{30,120}$/.test(text)) {
    return { kind: 'machine', peer: text }
  }
  return { kind: 'publisher', key: parseKeyId(text) }
}

function keyOf(text: string): string {
  const subject = toSubject(text)
  return subject.kind === 'publisher' ? subject.key : subject.peer
}

async function write({ terminal }: Invocation, file: string, bytes: Uint8Array): Promise<void> {
  const path = resolve(terminal.cwd, file)
  try {
    await replaceFile(path, bytes, { mode: 0o644, keepMode: true })
  } catch (error) {
    throw new CatalogError('STORE_FAILED', `${path}: can't be written`, { cause: error })
  }
}
