/**
 * What witnesses say of a package, from any peer that has it: asked for by the package's key among witnesses, answered with signed
 * lists. The codec believes nothing and opens no signature. docs/protocol.md, section Witnesses
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  keyIdFromBytes,
  keyIdToBytes,
  nameKeyFromBytes,
  nameKeyToBytes,
  type KeyId,
  type NameKey,
  type RequestProtocol,
} from '@catalog-p2p/core'
import { MAX_STATEMENT_BYTES, type SignedList } from './witness-statement.ts'
import { MAX_LIST_BYTES } from './witnessed-list.ts'

export interface WitnessRequestMessage {
  /** Of the package, among witnesses. */
  readonly key: NameKey
  /** Whose word is wanted. */
  readonly witnesses: readonly KeyId[]
}

export interface WitnessResponseMessage {
  readonly lists: readonly SignedList[]
}

const WITNESS_PROTOCOL = '/catalog/witnesses/1.0.0'
/** Witnesses that a node can name, and lists in one answer. */
export const MAX_WITNESSES = 32
/** Of all lists in one answer with their statements. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const KEY_BYTES = 32
const TIMEOUT_MS = 3_000

export const WITNESSES: RequestProtocol<WitnessRequestMessage, WitnessResponseMessage> = {
  id: WITNESS_PROTOCOL,
  timeoutMs: TIMEOUT_MS,
  request: {
    maxBytes: KEY_BYTES * (1 + MAX_WITNESSES),
    encode: ({ key, witnesses }) => {
      const writer = new FieldWriter().bytes(nameKeyToBytes(key))
      for (const witness of witnesses) writer.bytes(keyIdToBytes(witness))
      return writer.toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const key = nameKeyFromBytes(reader.bytes(KEY_BYTES))
      const witnesses: KeyId[] = []
      while (reader.remaining > 0) witnesses.push(keyIdFromBytes(reader.bytes(KEY_BYTES)))
      return { key, witnesses }
    },
  },
  response: {
    maxBytes: MAX_ANSWER_BYTES,
    encode({ lists }) {
      const writer = new FieldWriter()
      for (const { statement, list } of lists) {
        writer.u32(statement.byteLength).bytes(statement).u32(list.byteLength).bytes(list)
      }
      return writer.toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const lists: SignedList[] = []
      while (reader.remaining > 0) {
        if (lists.length === MAX_WITNESSES) throw malformed('too many lists')
        const statement = part(reader, MAX_STATEMENT_BYTES)
        lists.push({ statement, list: part(reader, MAX_LIST_BYTES) })
      }
      return { lists }
    },
  },
}

/** What fits into one answer, in the given order. */
export function fitting(lists: readonly SignedList[]): SignedList[] {
  let bytes = 0
  return lists.slice(0, MAX_WITNESSES).filter(({ statement, list }) => {
    const size = 8 + statement.byteLength + list.byteLength
    if (bytes + size > MAX_ANSWER_BYTES) return false
    bytes += size
    return true
  })
}

function part(reader: FieldReader, maxBytes: number): Uint8Array {
  const length = reader.u32()
  if (length === 0 || length > maxBytes) throw malformed(`a part of ${length} bytes`)
  return reader.bytes(length)
}

function malformed(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `malformed message: ${what}`)
}
