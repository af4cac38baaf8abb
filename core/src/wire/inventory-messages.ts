/**
 * The messages of `/catalog/inventory/2.0.0` as bytes, and back. Nothing a peer sends is allocated for before its length
 * was checked, and every prefix is copied out of the bytes read. Pure. docs/protocol.md, section Inventory
 */
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { encodeFrame } from './frames.ts'

/** More from one peer is misbehaviour; we never list more ourselves. */
export const MAX_INVENTORY_PREFIXES = 2_000_000
export const INVENTORY_PROTOCOL = '/catalog/inventory/2.0.0'
/** Longest frame body. */
export const MAX_INVENTORY_FRAME_BYTES = 64 * 1024
/** Prefixes in one HAVE or LOST. */
export const MAX_CHANGES_PER_FRAME = 4096

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
/** Bytes of a prefix. */
export const PREFIX_BYTES = 4
const PREFIXES_PER_PART = 16_000

const TYPES = { snapshot: 1, part: 2, end: 3, have: 4, lost: 5, alive: 6 } as const

export type InventoryMessage =
  /** A snapshot of `count` prefixes begins. */
  | { readonly type: 'snapshot'; readonly count: number }
  | { readonly type: 'part' | 'have' | 'lost'; readonly prefixes: Uint32Array<ArrayBuffer> }
  /** The snapshot is complete. */
  | { readonly type: 'end' }
  | { readonly type: 'alive' }

/** One message, framed. */
export function encodeInventoryMessage(message: InventoryMessage): Uint8Array {
  const writer = new FieldWriter().u8(TYPES[message.type])
  switch (message.type) {
    case 'snapshot':
      writer.u32(message.count)
      break
    case 'part':
    case 'have':
    case 'lost':
      writer.bytes(encodePrefixes(message.prefixes))
      break
    case 'end':
    case 'alive':
      break
    default:
      return message satisfies never
  }
  return encodeFrame(writer.toBytes())
}

/** The frames of a whole snapshot, made as they are taken. */
export function* encodeSnapshot(sorted: Uint32Array<ArrayBuffer>): Generator<Uint8Array> {
  yield encodeInventoryMessage({ type: 'snapshot', count: sorted.length })
  for (let from = 0; from < sorted.length; from += PREFIXES_PER_PART) {
    const prefixes = sorted.subarray(from, from + PREFIXES_PER_PART)
    yield encodeInventoryMessage({ type: 'part', prefixes })
  }
  yield encodeInventoryMessage({ type: 'end' })
}

/** @throws CatalogError PEER_MISBEHAVED */
export function decodeInventoryMessage(body: Uint8Array): InventoryMessage {
  const reader = new FieldReader(body)
  const type = reader.u8()
  switch (type) {
    case TYPES.snapshot: {
      const count = reader.u32()
      if (count > MAX_INVENTORY_PREFIXES) throw misbehaved(`an inventory of ${count} prefixes`)
      return ended(reader, { type: 'snapshot', count })
    }
    case TYPES.part:
      return { type: 'part', prefixes: decodePrefixes(reader.rest(), PREFIXES_PER_PART) }
    case TYPES.have:
      return { type: 'have', prefixes: decodePrefixes(reader.rest(), MAX_CHANGES_PER_FRAME) }
    case TYPES.lost:
      return { type: 'lost', prefixes: decodePrefixes(reader.rest(), MAX_CHANGES_PER_FRAME) }
    case TYPES.end:
      return ended(reader, { type: 'end' })
    case TYPES.alive:
      return ended(reader, { type: 'alive' })
    default:
      throw misbehaved(`inventory message of unknown type ${type}`)
  }
}

function ended(reader: FieldReader, message: InventoryMessage): InventoryMessage {
  reader.end()
  return message
}

function encodePrefixes(prefixes: Uint32Array<ArrayBuffer>): Uint8Array {
  const bytes = Buffer.from(prefixes.slice().buffer)
  return IS_LITTLE_ENDIAN ? bytes.swap32() : bytes
}

function decodePrefixes(bytes: Uint8Array, maxCount: number): Uint32Array<ArrayBuffer> {
  const count = bytes.byteLength / PREFIX_BYTES
  if (!Number.isInteger(count) || count === 0 || count > maxCount) {
    throw misbehaved(
      `prefixes in ${bytes.byteLength} bytes, 1 to ${maxCount} of ${PREFIX_BYTES} bytes allowed`,
    )
  }
  const prefixes = new Uint32Array(count)
  const target = Buffer.from(prefixes.buffer)
  target.set(bytes)
  if (IS_LITTLE_ENDIAN) target.swap32()
  return prefixes
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', what)
}
