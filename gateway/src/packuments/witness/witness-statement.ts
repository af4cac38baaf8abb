/**
 * What a witness signs of a package: whose, of which registry, when it was seen, and the hash of what was seen (witnessed-list.ts).
 * So a signature costs the same for every package, and the list is read only where it is needed. Says who signed, never that
 * this one is to be believed. docs/protocol.md, section Witnesses
 */
import { createHash } from 'node:crypto'
import {
  CatalogError,
  claimedSigner,
  openStatement,
  signStatement,
  STATEMENT_OVERHEAD_BYTES,
  type HybridKey,
  type KeyId,
} from '@catalog-p2p/core'
import { isObject } from '../../is-object.ts'

export interface WitnessedPackage {
  /** The registry's URL, with a trailing slash. */
  readonly registry: string
  readonly name: string
}

export interface WitnessStatement extends WitnessedPackage {
  readonly witness: KeyId
  /** When the registry last gave or confirmed it; Unix time, milliseconds. */
  readonly seenAtMs: number
}

/** As it is kept and travels. */
export interface SignedList {
  readonly statement: Uint8Array
  readonly list: Uint8Array
}

export const WITNESS_TYPE = 'catalog/witness/1'
const MAX_BODY_BYTES = 4096
export const MAX_STATEMENT_BYTES = STATEMENT_OVERHEAD_BYTES + MAX_BODY_BYTES
const EXPECTED = { type: WITNESS_TYPE, maxBytes: MAX_STATEMENT_BYTES }
const HASH_BYTES = 64

export function signWitness(
  { registry, name, seenAtMs, list }: WitnessedPackage & { seenAtMs: number; list: Uint8Array },
  key: HybridKey,
): Uint8Array {
  const body = { registry, name, seenAt: seenAtMs, list: hashOf(list) }
  return signStatement({ type: WITNESS_TYPE, body }, key)
}

/** Whose it says it is; nothing is verified. @throws CatalogError INVALID_STATEMENT */
export function claimedWitness({ statement }: SignedList): KeyId {
  return claimedSigner(statement, EXPECTED)
}

/** @throws CatalogError INVALID_STATEMENT unless both signatures hold, and it is of this list */
export function openWitness({ statement, list }: SignedList): WitnessStatement {
  const { body, signer } = openStatement(statement, EXPECTED)
  const { registry, name, seenAt, list: hash, ...others } = fieldsOf(body)
  const isWhole = typeof registry === 'string' && typeof name === 'string'
  const isTime = typeof seenAt === 'number' && seenAt >= 0
  if (!isWhole || !isTime || Object.keys(others).length > 0) throw refused('it says something else')
  const isOfList = hash instanceof Uint8Array && hash.byteLength === HASH_BYTES
  if (!isOfList || !hashOf(list).equals(hash)) throw refused('it is of another list')
  return { registry, name, witness: signer, seenAtMs: seenAt }
}

function hashOf(list: Uint8Array): Buffer {
  return createHash('sha512').update(list).digest()
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(body)) throw refused('no fields')
  return body
}

function refused(why: string): CatalogError {
  return new CatalogError('INVALID_STATEMENT', `a witness's statement is refused: ${why}`)
}
