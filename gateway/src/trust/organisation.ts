/**
 * What is known of one organisation: the certificates of its publishers, and the newest of its revocation lists. Everything that
 * comes in is verified and bounded here; an older list never takes the place of a newer one. Pure.
 */
import {
  isCatalogError,
  judgeCertificate,
  openCertificate,
  openRevocations,
  type Certificate,
  type KeyId,
  type RevocationList,
} from '@catalog-p2p/core'

export interface OrganisationStatements {
  /** As signed. */
  readonly revocations: Uint8Array | undefined
  readonly certificates: readonly Uint8Array[]
}

export interface Organisation {
  readonly root: KeyId
  readonly revocations: Signed<RevocationList> | undefined
  readonly certificates: readonly Signed<Certificate>[]
}

export interface Signed<T> {
  readonly said: T
  readonly bytes: Uint8Array
}

export interface TakenIn {
  readonly organisation: Organisation
  readonly isChanged: boolean
  /** What no honest peer would send: statements that are none, or of somebody else. */
  readonly offence: string | undefined
  /** A list that says something else under the number of the one that is known: the root's key is in two hands. */
  readonly isFork: boolean
}

/** Of one root. */
export const MAX_PUBLISHERS = 64

export function unknownOrganisation(root: KeyId): Organisation {
  return { root, revocations: undefined, certificates: [] }
}

export function takeIn(
  known: Organisation,
  offered: OrganisationStatements,
  nowMs: number,
): TakenIn {
  const offences: string[] = []
  const list = offered.revocations && opened(offered.revocations, openRevocations, known.root)
  if (typeof list === 'string') offences.push(list)
  const { revocations, isFork } = newerList(
    known.revocations,
    typeof list === 'string' ? undefined : list,
  )
  const certificates = new Map(known.certificates.map((each) => [keyOf(each), each]))
  for (const bytes of offered.certificates) {
    // Whoever has sent such a thing is disconnected: the rest is not worth verifying.
    if (offences.length > 0) break
    const certificate = opened(bytes, openCertificate, known.root)
    if (typeof certificate === 'string') offences.push(certificate)
    else certificates.set(keyOf(certificate), certificate)
  }
  const revoked = new Set(revocations?.said.subjects)
  const live = [...certificates.values()]
    .filter(({ said }) => said.subject.kind === 'publisher' && nowMs < said.notAfterMs)
    .filter(({ said: { subject } }) => subject.kind === 'publisher' && !revoked.has(subject.key))
    .sort((a, b) => b.said.notAfterMs - a.said.notAfterMs)
    .slice(0, MAX_PUBLISHERS)
  const organisation = { root: known.root, revocations, certificates: live }
  const before = new Set(known.certificates.map(keyOf))
  const isSame = live.length === before.size && live.every((each) => before.has(keyOf(each)))
  return {
    organisation,
    isChanged: !isSame || revocations !== known.revocations,
    ...{ offence: offences[0], isFork },
  }
}

/** Keys that may publish `name` now, by the word of that root. */
export function publishersOf(organisation: Organisation, name: string, nowMs: number): KeyId[] {
  const keys = organisation.certificates.flatMap(({ said: { subject } }) =>
    subject.kind === 'publisher' ? [subject.key] : [],
  )
  return [...new Set(keys)].filter(
    (key) => certificateFor(organisation, { key, name }, nowMs) !== undefined,
  )
}

/** What says that `key` may publish `name` now. */
export function certificateFor(
  organisation: Organisation,
  { key, name }: { readonly key: KeyId; readonly name: string },
  nowMs: number,
): Certificate | undefined {
  const { root, certificates } = organisation
  const context = { root, nowMs, revoked: revokedBy(organisation) }
  return certificates.find(
    ({ said }) =>
      judgeCertificate(said, { kind: 'publisher', key, name }, context).verdict === 'valid',
  )?.said
}

export function revokedBy({ revocations }: Organisation): ReadonlySet<string> {
  return new Set(revocations?.said.subjects)
}

export function statementsOf({ revocations, certificates }: Organisation): OrganisationStatements {
  return { revocations: revocations?.bytes, certificates: certificates.map(({ bytes }) => bytes) }
}

function newerList(
  known: Organisation['revocations'],
  offered: Organisation['revocations'],
): { revocations: Organisation['revocations']; isFork: boolean } {
  if (offered === undefined || known === undefined) {
    return { revocations: known ?? offered, isFork: false }
  }
  const isNewer = offered.said.sequence > known.said.sequence
  const isFork = offered.said.sequence === known.said.sequence && !isSameList(offered, known)
  return { revocations: isNewer ? offered : known, isFork }
}

function isSameList(one: Signed<RevocationList>, other: Signed<RevocationList>): boolean {
  return JSON.stringify(one.said) === JSON.stringify(other.said)
}

function opened<T extends { readonly issuer: KeyId }>(
  bytes: Uint8Array,
  open: (bytes: Uint8Array) => T,
  root: KeyId,
): Signed<T> | string {
  try {
    const said = open(bytes)
    return said.issuer === root ? { said, bytes } : `a statement of ${said.issuer}, not of ${root}`
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return error.message
    throw error
  }
}

/** Signing the same once more makes other bytes, so certificates are told apart by what they say. */
function keyOf({ said }: Signed<Certificate>): string {
  return JSON.stringify(said)
}
