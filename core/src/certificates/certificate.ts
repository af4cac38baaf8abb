/**
 * Certificates of organisations: a root key says that another key may publish under some names, or that a machine belongs to some
 * swarms, from one time to another. Signed like every statement, by both algorithms. That a certificate is well-formed and signed
 * says nothing yet: verify-certificate.ts decides what it is worth to whom. Pure. docs/protocol.md, section Certificates
 */
import { CatalogError } from '../errors.ts'
import { isKeyId, type KeyId } from '../signing/key-id.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import { openStatement, signStatement, STATEMENT_OVERHEAD_BYTES } from '../signing/statement.ts'

export type CertificateSubject =
  | { readonly kind: 'publisher'; readonly key: KeyId }
  /** By its libp2p peer id, which its connections prove. */
  | { readonly kind: 'machine'; readonly peer: string }

export interface CertificateClaims {
  readonly subject: CertificateSubject
  /** Of a publisher: scopes with their `@`, and packages. Of a machine: swarms, as their root calls them. One at least. */
  readonly names: readonly string[]
  /** Unix time, milliseconds; kept to the second. */
  readonly notBeforeMs: number
  /** From then on it is worth nothing. */
  readonly notAfterMs: number
  /** For people: whose it is. */
  readonly note: string
}

export interface Certificate extends CertificateClaims {
  /** The root. */
  readonly issuer: KeyId
}

const TYPE = 'catalog/certificate/1'
const MAX_NAMES = 32
const MAX_NAME_CHARS = 214
const MAX_NOTE_CHARS = 200
export const MAX_CERTIFICATE_BYTES = STATEMENT_OVERHEAD_BYTES + 10 * 1024
/** Printable ASCII without a space: names of packages, scopes and swarms, peer ids. */
const WORD = /^[!-~]{1,214}$/
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{32,128}$/

/** @throws CatalogError INVALID_OPTIONS for claims that no certificate can make */
export function issueCertificate(claims: CertificateClaims, root: HybridKey): Uint8Array {
  const problem = problemOf(claims)
  if (problem !== undefined) throw new CatalogError('INVALID_OPTIONS', `certificate: ${problem}`)
  const { subject, names, note } = claims
  const body = {
    ...{ kind: subject.kind, subject: textOf(subject), names, note },
    from: toSeconds(claims.notBeforeMs),
    until: toSeconds(claims.notAfterMs),
  }
  return signStatement({ type: TYPE, body }, root)
}

/**
 * What it says, and who signed it; not whether that counts.
 * @throws CatalogError INVALID_STATEMENT
 */
export function openCertificate(bytes: Uint8Array): Certificate {
  const { body, signer } = openStatement(bytes, { type: TYPE, maxBytes: MAX_CERTIFICATE_BYTES })
  const claims = toClaims(body)
  if (claims === undefined || problemOf(claims) !== undefined) {
    throw new CatalogError('INVALID_STATEMENT', 'a certificate with fields that make no sense')
  }
  return { ...claims, issuer: signer }
}

/** What revocation lists name it by: a key id, or a peer id. */
export function textOf(subject: CertificateSubject): string {
  return subject.kind === 'publisher' ? subject.key : subject.peer
}

const FIELDS = ['from', 'kind', 'names', 'note', 'subject', 'until']

function toClaims(body: unknown): CertificateClaims | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined
  if (Object.keys(body).sort().join() !== FIELDS.join()) return undefined
  const { kind, subject, names, note, from, until } = body as Readonly<Record<string, unknown>>
  if (typeof subject !== 'string' || typeof note !== 'string') return undefined
  if (typeof from !== 'number' || typeof until !== 'number') return undefined
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) return undefined
  const who = toSubject(kind, subject)
  if (who === undefined) return undefined
  return { subject: who, names, note, notBeforeMs: from * 1000, notAfterMs: until * 1000 }
}

function toSubject(kind: unknown, subject: string): CertificateSubject | undefined {
  if (kind === 'publisher' && isKeyId(subject)) return { kind, key: subject }
  return kind === 'machine' && PEER_ID.test(subject) ? { kind, peer: subject } : undefined
}

function problemOf(claims: CertificateClaims): string | undefined {
  const { subject, names, note, notBeforeMs, notAfterMs } = claims
  if (toSubject(subject.kind, textOf(subject)) === undefined) return 'its subject is no id'
  if (names.length === 0 || names.length > MAX_NAMES) return `1 to ${MAX_NAMES} names`
  const odd = names.find((name) => !WORD.test(name) || name.length > MAX_NAME_CHARS)
  if (odd !== undefined) return `"${odd}" is no name`
  // eslint-disable-next-line no-control-regex -- a note goes to terminals
  if (note.length > MAX_NOTE_CHARS || /[\u0000-\u001f\u007f-\u009f]/.test(note)) {
    return `its note must be at most ${MAX_NOTE_CHARS} printable characters`
  }
  const times = [notBeforeMs, notAfterMs].map(toSeconds)
  const isTime = (seconds: number): boolean => seconds >= 0 && seconds <= MAX_SECONDS
  if (!times.every(isTime)) return 'its times are no times'
  return toSeconds(notBeforeMs) < toSeconds(notAfterMs) ? undefined : 'it ends before it begins'
}

/** Beyond this no Date has a text. */
const MAX_SECONDS = 8_640_000_000_000

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000)
}
