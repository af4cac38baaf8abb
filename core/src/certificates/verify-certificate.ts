/**
 * What a certificate is worth: whether the root that the user trusts says, for now, that this subject may do this. Always asked
 * about one subject and one name, so that a good certificate of somebody else, or for something else, is never taken for one. Fails
 * closed. Pure: the clock and what is revoked come in.
 */
import { isCatalogError } from '../errors.ts'
import type { KeyId } from '../signing/key-id.ts'
import { openCertificate, textOf, type Certificate } from './certificate.ts'

/** What somebody must be certified for. */
export type CertifiedAs =
  | { readonly kind: 'publisher'; readonly key: KeyId; readonly name: string }
  | { readonly kind: 'machine'; readonly peer: string; readonly swarm: string }

export interface CertificateContext {
  /** The one that is trusted for this, by the user's own word. */
  readonly root: KeyId
  /** Unix time. */
  readonly nowMs: number
  /** Subjects on the newest revocation list of that root that is known; undefined: none is. */
  readonly revoked: ReadonlySet<string> | undefined
}

export type CertificateVerdict =
  | { readonly verdict: 'valid'; readonly certificate: Certificate }
  | {
      readonly verdict: 'invalid'
      readonly reason: InvalidReason
      /** The rest of a sentence that begins with "its certificate". */
      readonly why: string
    }

export type InvalidReason =
  'malformed' | 'other-root' | 'revoked' | 'not-yet' | 'expired' | 'other-subject' | 'other-name'

/** Takes about a millisecond. Never throws for what somebody else has sent. */
export function verifyCertificate(
  bytes: Uint8Array,
  wanted: CertifiedAs,
  context: CertificateContext,
): CertificateVerdict {
  const opened = open(bytes)
  if (typeof opened === 'string') return invalid('malformed', opened)
  return judgeCertificate(opened, wanted, context)
}

/** The same for one whose signature has been verified before: what the time and revocations say may have changed since. */
export function judgeCertificate(
  certificate: Certificate,
  wanted: CertifiedAs,
  { root, nowMs, revoked }: CertificateContext,
): CertificateVerdict {
  const { issuer, subject, names, notBeforeMs, notAfterMs } = certificate
  if (issuer !== root) return invalid('other-root', `is signed by ${issuer}, not by ${root}`)
  const id = wanted.kind === 'publisher' ? wanted.key : wanted.peer
  if (subject.kind !== wanted.kind || textOf(subject) !== id) {
    return invalid('other-subject', `is of ${subject.kind} ${textOf(subject)}`)
  }
  if (revoked?.has(id) === true) return invalid('revoked', 'has been revoked')
  if (nowMs < notBeforeMs) return invalid('not-yet', `begins at ${toText(notBeforeMs)}`)
  if (nowMs >= notAfterMs) return invalid('expired', `ended at ${toText(notAfterMs)}`)
  const isNamed =
    wanted.kind === 'publisher' ? coversName(names, wanted.name) : names.includes(wanted.swarm)
  if (!isNamed) return invalid('other-name', `is for ${names.join(', ')} only`)
  return { verdict: 'valid', certificate }
}

/** A package by its own name or by its scope, in any case. */
function coversName(names: readonly string[], name: string): boolean {
  const wanted = name.toLowerCase()
  const scope = wanted.startsWith('@') ? wanted.split('/', 1)[0] : undefined
  return names.some((each) => [wanted, scope].includes(each.toLowerCase()))
}

/** The certificate, or why it is none. */
function open(bytes: Uint8Array): Certificate | string {
  try {
    return openCertificate(bytes)
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return `makes no sense: ${error.message}`
    throw error
  }
}

function toText(ms: number): string {
  return new Date(ms).toISOString()
}

function invalid(reason: InvalidReason, why: string): CertificateVerdict {
  return { verdict: 'invalid', reason, why }
}
