/**
 * What a writer says of a build result, signed with a publisher's key: these bytes are what that task gives. Who may say so is not
 * decided here (build-results.ts). Pure. docs/protocol.md, section Build results
 */
import {
  CatalogError,
  claimedSigner,
  findDigest,
  openStatement,
  signStatement,
  STATEMENT_OVERHEAD_BYTES,
  type Digest,
  type HybridKey,
  type KeyId,
} from '@catalog-p2p/core'
import { isObject } from '../is-object.ts'
import { BUILD_KEY_BYTES } from './build-key.ts'

export interface BuildClaims {
  /** `buildKeyOf` it. */
  readonly key: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** What the task took, as its tool says; milliseconds. */
  readonly durationMs: number
  /** Turborepo's own signature on it, empty without one. */
  readonly tag: string
}

export interface BuildStatement extends BuildClaims {
  readonly signer: KeyId
  readonly statement: Uint8Array
}

const TYPE = 'catalog/build-result/1'
const FIELDS = ['digest', 'duration', 'key', 'size', 'tag']
const TAG = /^[\x21-\x7e]{0,600}$/
export const MAX_BUILD_STATEMENT_BYTES = STATEMENT_OVERHEAD_BYTES + 1_024
const EXPECTED = { type: TYPE, maxBytes: MAX_BUILD_STATEMENT_BYTES }

export function isTag(text: string): boolean {
  return TAG.test(text)
}

export function signBuild(claims: BuildClaims, key: HybridKey): Uint8Array {
  const { digest, size, durationMs: duration, tag } = claims
  const body = { key: Uint8Array.from(Buffer.from(claims.key, 'hex')), digest, size, duration, tag }
  return signStatement({ type: TYPE, body }, key)
}

/** Whose it says it is; nothing is verified. @throws CatalogError INVALID_STATEMENT */
export function signerOfBuild(statement: Uint8Array): KeyId {
  return claimedSigner(statement, EXPECTED)
}

/** @throws CatalogError INVALID_STATEMENT */
export function openBuild(statement: Uint8Array): BuildStatement {
  const { body, signer } = openStatement(statement, EXPECTED)
  const claims = toClaims(body)
  if (claims === undefined) {
    throw new CatalogError('INVALID_STATEMENT', 'a build result with fields that make no sense')
  }
  return { ...claims, signer, statement }
}

function toClaims(body: unknown): BuildClaims | undefined {
  if (!isObject(body)) return undefined
  if (Object.keys(body).sort().join() !== FIELDS.join()) return undefined
  const { key, digest: text, size, duration, tag } = body
  if (!(key instanceof Uint8Array) || key.byteLength !== BUILD_KEY_BYTES) return undefined
  const digest = typeof text === 'string' ? findDigest(text) : undefined
  if (digest === undefined || digest !== text) return undefined
  if (!isCount(size) || !isCount(duration)) return undefined
  if (typeof tag !== 'string' || !TAG.test(tag)) return undefined
  return { key: Buffer.from(key).toString('hex'), digest, size, durationMs: duration, tag }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
