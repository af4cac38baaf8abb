/**
 * What the DHT keeps of a head: the head itself, or, where that is too large for a value, a signed pointer to it; the head is then an
 * artifact like others. A value counts only under the key of the name and the publisher that it is signed for. Pure.
 * docs/protocol.md, section Heads
 */
import { z } from 'zod'
import { isPackageName } from '../content/asset-id.ts'
import { DIGEST_BYTES, digestFromBytes, digestToBytes, type Digest } from '../content/digest.ts'
import type { NameKey } from '../content/name-key.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ValueKind } from '../host/host.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import { openStatement, signStatement } from '../signing/statement.ts'
import { openHead, type Head } from './head.ts'
import { HEAD_VALUE_PREFIX, headKeyOf, headValueKey, type PublishedName } from './head-key.ts'

export const HEAD_POINTER_TYPE = 'catalog/head-pointer/1'
/** Of a value in the DHT. */
export const MAX_HEAD_VALUE_BYTES = 8 * 1024

export interface HeadPointer extends PublishedName {
  readonly sequence: number
  /** Of the head's own bytes. */
  readonly digest: Digest
}

/** What stands in the DHT: where `head` is undefined it is an artifact to be fetched. */
export interface HeadValue extends HeadPointer {
  readonly head: Head | undefined
}

const bodySchema = z.strictObject({
  name: z.string().refine(isPackageName, 'not a package name'),
  sequence: z.int().positive(),
  digest: z.instanceof(Uint8Array).refine((each) => each.byteLength === DIGEST_BYTES),
})

export function signHeadPointer({ name, sequence, digest }: Head, key: HybridKey): Uint8Array {
  const body = { name, sequence, digest: Uint8Array.from(digestToBytes(digest)) }
  return signStatement({ type: HEAD_POINTER_TYPE, body }, key)
}

/** @throws CatalogError INVALID_STATEMENT */
export function openHeadValue(value: Uint8Array): HeadValue {
  if (value.byteLength > MAX_HEAD_VALUE_BYTES) throw refused(`${value.byteLength} bytes`)
  try {
    return openPointer(value)
  } catch (error) {
    if (!isCatalogError(error, 'INVALID_STATEMENT')) throw error
  }
  // Its type is looked at before its signatures: trying both costs nothing.
  const head = openHead(value)
  return { ...pick(head), head }
}

function pick({ name, publisher, sequence, digest }: HeadPointer): HeadPointer {
  return { name, publisher, sequence, digest }
}

function openPointer(value: Uint8Array): HeadValue {
  const expected = { type: HEAD_POINTER_TYPE, maxBytes: MAX_HEAD_VALUE_BYTES }
  const { body, signer } = openStatement(value, expected)
  const parsed = bodySchema.safeParse(body)
  if (!parsed.success) throw refused('its fields')
  const { name, sequence, digest } = parsed.data
  return { name, sequence, digest: digestFromBytes(digest), publisher: signer, head: undefined }
}

/**
 * For the DHT: heads and pointers, each only under its own key; of several the highest sequence.
 * @param options.newest the sequence that is known here: an older value is neither kept for others nor believed
 */
export function headValueKind(options: { newest: (key: NameKey) => number }): ValueKind {
  return {
    prefix: HEAD_VALUE_PREFIX,
    validate(key, bytes) {
      const value = openHeadValue(bytes)
      const headKey = headKeyOf(value)
      if (key !== headValueKey(headKey)) throw refused('it is of another name or publisher')
      if (value.sequence < options.newest(headKey)) throw refused('a newer one is known')
    },
    select(_key, values) {
      const sequences = values.map((each) => openHeadValue(each).sequence)
      return sequences.indexOf(Math.max(...sequences))
    },
  }
}

function refused(what: string): CatalogError {
  return new CatalogError('INVALID_STATEMENT', `a value of the DHT is refused: ${what}`)
}
