/**
 * What a root takes back: one list of key ids and peer ids with a number that only grows, signed by the root, so that it is worth
 * the same from anybody. What is on it stays worthless however many certificates it has: a stolen key is never good again. The
 * highest number seen is remembered by whoever keeps the list. Pure. docs/protocol.md, section Certificates
 */
import { CatalogError } from '../errors.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import type { KeyId } from '../signing/key-id.ts'
import { openStatement, signStatement, STATEMENT_OVERHEAD_BYTES } from '../signing/statement.ts'

export interface Revocations {
  /** 1 for the first list, and one more for each that follows. */
  readonly sequence: number
  /** Unix time, milliseconds; kept to the second. */
  readonly issuedAtMs: number
  readonly subjects: readonly string[]
}

export interface RevocationList extends Revocations {
  /** The root. */
  readonly issuer: KeyId
}

const TYPE = 'catalog/revocations/1'
const MAX_REVOKED = 4096
const MAX_SUBJECT_CHARS = 128
export const MAX_REVOCATIONS_BYTES = STATEMENT_OVERHEAD_BYTES + 64 + MAX_REVOKED * 132
const SUBJECT = /^[0-9A-Za-z-]{1,128}$/
/** Beyond this no Date has a text. */
const MAX_SECONDS = 8_640_000_000_000

/** @throws CatalogError INVALID_OPTIONS for what can be on no list */
export function signRevocations(revocations: Revocations, root: HybridKey): Uint8Array {
  const subjects = [...new Set(revocations.subjects)].sort()
  const body = {
    sequence: revocations.sequence,
    at: Math.floor(revocations.issuedAtMs / 1000),
    subjects,
  }
  if (toRevocations(body) === undefined) {
    throw new CatalogError('INVALID_OPTIONS', 'a list of revocations that makes no sense', {
      hint: `it holds key ids and peer ids, ${MAX_REVOKED} at most`,
    })
  }
  return signStatement({ type: TYPE, body }, root)
}

/** @throws CatalogError INVALID_STATEMENT */
export function openRevocations(bytes: Uint8Array): RevocationList {
  const { body, signer } = openStatement(bytes, { type: TYPE, maxBytes: MAX_REVOCATIONS_BYTES })
  const found = toRevocations(body)
  if (found !== undefined) return { ...found, issuer: signer }
  throw new CatalogError('INVALID_STATEMENT', 'a revocation list with fields that make no sense')
}

function toRevocations(body: unknown): Revocations | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined
  if (Object.keys(body).sort().join() !== 'at,sequence,subjects') return undefined
  const { sequence, at, subjects } = body as Readonly<Record<string, unknown>>
  if (!isCount(sequence, 1, Number.MAX_SAFE_INTEGER) || !isCount(at, 0, MAX_SECONDS))
    return undefined
  if (!Array.isArray(subjects) || subjects.length > MAX_REVOKED) return undefined
  if (!subjects.every(isSubject)) return undefined
  const isSorted = subjects.every(
    (each, index) => index === 0 || (subjects[index - 1] ?? '') < each,
  )
  return isSorted ? { sequence, issuedAtMs: at * 1000, subjects } : undefined
}

function isCount(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
}

function isSubject(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_SUBJECT_CHARS && SUBJECT.test(value)
}
