/**
 * The transfer protocol's messages: what one peer asks another for, and the answers. Pure data, no IO.
 * docs/protocol.md is the specification; test/protocol/golden.test.ts holds its byte vectors. A body never carries our
 * error texts or anything else about this machine.
 */
import { Bitfield } from '../content/bitfield.ts'
import { chunkCount, isChunkSize, isWithinChunkLimit, MAX_CHUNK_SIZE } from '../content/chunking.ts'
import { ENCODING_CODES, encodingOfCode } from '../content/compression.ts'
import { MalformedError } from '../content/malformed.ts'
import { HASH_BYTES } from '../content/merkle.ts'
import { DIGEST_BYTES, digestFromBytes, digestToBytes } from '../content/digest.ts'
import { NAME_KEY_BYTES, nameKeyFromBytes, nameKeyToBytes } from '../content/name-key.ts'
import { isPlainVersion, RECORD_LIMITS } from '../content/record.ts'
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { encodeFrame, FRAME_HEADER_BYTES } from './frames.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'
import {
  STATUS_IDS,
  type Answer,
  type ChunkAnswer,
  type Hello,
  type ManifestAnswer,
  type Request,
  type Status,
  type WantFetch,
} from './transfer-types.ts'

export * from './transfer-types.ts'

/** One long-lived stream a peer for pipelined requests; further streams of it carry bulk. */
export const TRANSFER_PROTOCOL = '/catalog/transfer/3.0.0'
export const TRANSFER_VERSION = 1

/** The longest body: a whole chunk, or all leaves and a bitfield, and the fields before them. */
export const MAX_ANSWER_FRAME_BYTES = MAX_CHUNK_SIZE + 64
/** Requests are small. */
export const MAX_REQUEST_FRAME_BYTES = 1024
/** The URL in a WantFetch, so that it fits. */
const MAX_FETCH_REGISTRY_BYTES = 400

const TYPE = {
  ...{ hello: 1, want: 2, wantChunk: 3, cancel: 4, wantNamed: 5, wantFetch: 6 },
  ...{ manifest: 17, chunk: 18, status: 19, wait: 20, record: 21, fetching: 22 },
}
const FLAG_DIGEST = 1
const FLAG_INCOMPLETE = 1
/** Type, id, index and encoding. */
const CHUNK_FIELDS_BYTES = 10
const NOTHING = new Uint8Array(0)

const statusNames = new Map<number, Status>(
  Object.entries(STATUS_IDS).map(([name, id]) => [id, name as Status]),
)

export function encodeRequest(message: Request): Uint8Array {
  const body = new FieldWriter()
  switch (message.type) {
    case 'hello':
      return encodeHello(message)
    case 'want':
      body.u8(TYPE.want).u32(message.id).bytes(digestToBytes(message.digest))
      break
    case 'want-chunk':
      body
        .u8(TYPE.wantChunk)
        .u32(message.id)
        .bytes(digestToBytes(message.digest))
        .u32(message.index)
        .bytes(message.leaf)
      break
    case 'want-named':
      body.u8(TYPE.wantNamed).u32(message.id).bytes(nameKeyToBytes(message.key))
      break
    case 'want-fetch':
      body
        .u8(TYPE.wantFetch)
        .u32(message.id)
        .u8(message.digest === undefined ? 0 : FLAG_DIGEST)
      if (message.digest !== undefined) body.bytes(digestToBytes(message.digest))
      body.text(message.version.registry).text(message.version.name).text(message.version.version)
      break
    case 'cancel':
      body.u8(TYPE.cancel).u32(message.id)
      break
  }
  return encodeFrame(body.toBytes())
}

/**
 * A chunk's frame in two parts, to be written one right after the other: the head, and the bytes as they are. Nine tenths of
 * all traffic is this, and a copy of it here would be garbage a moment later.
 */
export function encodeChunk(message: ChunkAnswer): [head: Uint8Array, bytes: Uint8Array] {
  const { id, index, encoding, bytes } = message
  const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + CHUNK_FIELDS_BYTES)
  head.writeUInt32BE(CHUNK_FIELDS_BYTES + bytes.byteLength, 0)
  head.writeUInt8(TYPE.chunk, 4)
  head.writeUInt32BE(id, 5)
  head.writeUInt32BE(index, 9)
  head.writeUInt8(ENCODING_CODES[encoding], 13)
  return [head, bytes]
}

export function encodeAnswer(message: Answer): Uint8Array {
  switch (message.type) {
    case 'hello':
      return encodeHello(message)
    case 'manifest': {
      const head = new FieldWriter().u8(TYPE.manifest).u32(message.id)
      head.u8(message.present === undefined ? 0 : FLAG_INCOMPLETE)
      head.u64(message.size).u32(message.chunkSize)
      return encodeFrame(head.toBytes(), message.leaves, message.present?.encode() ?? NOTHING)
    }
    case 'record':
      return encodeFrame(
        new FieldWriter().u8(TYPE.record).u32(message.id).toBytes(),
        encodeRecord(message.record),
      )
    case 'chunk':
      return Buffer.concat(encodeChunk(message))
    case 'wait':
    case 'fetching':
      return encodeFrame(new FieldWriter().u8(TYPE[message.type]).u32(message.id).toBytes())
    case 'status':
      return encodeFrame(
        new FieldWriter().u8(TYPE.status).u32(message.id).u8(STATUS_IDS[message.status]).toBytes(),
      )
  }
}

/** @throws CatalogError PEER_MISBEHAVED */
export function decodeRequest(body: Uint8Array): Request {
  const fields = new FieldReader(body)
  const type = fields.u8()
  if (type === TYPE.hello) return decodeHello(fields)
  const id = fields.u32()
  let message: Request
  if (type === TYPE.want) {
    message = { type: 'want', id, digest: digestFromBytes(fields.bytes(DIGEST_BYTES)) }
  } else if (type === TYPE.wantChunk) {
    const digest = digestFromBytes(fields.bytes(DIGEST_BYTES))
    const index = fields.u32()
    // A copy: it is compared when the request's turn has come, and the rest of what was read may be gone by then.
    const leaf = Uint8Array.from(fields.bytes(HASH_BYTES))
    message = { type: 'want-chunk', id, digest, index, leaf }
  } else if (type === TYPE.wantNamed) {
    message = { type: 'want-named', id, key: nameKeyFromBytes(fields.bytes(NAME_KEY_BYTES)) }
  } else if (type === TYPE.wantFetch) {
    message = decodeWantFetch(id, fields)
  } else if (type === TYPE.cancel) {
    message = { type: 'cancel', id }
  } else {
    throw malformed(`unknown request type ${type}`)
  }
  fields.end()
  return message
}

function decodeWantFetch(id: number, fields: FieldReader): WantFetch {
  const flags = fields.u8()
  if ((flags & ~FLAG_DIGEST) !== 0) throw malformed(`flags ${flags}`)
  const digest = flags === 0 ? undefined : digestFromBytes(fields.bytes(DIGEST_BYTES))
  const registry = fields.text(MAX_FETCH_REGISTRY_BYTES)
  const name = fields.text(RECORD_LIMITS.name)
  const version = { registry, name, version: fields.text(RECORD_LIMITS.version) }
  if (!isPlainVersion(version)) throw malformed('text that no registry has')
  return { type: 'want-fetch', id, version, digest }
}

/** Byte fields of the result are views of `body`. @throws CatalogError PEER_MISBEHAVED */
export function decodeAnswer(body: Uint8Array): Answer {
  const fields = new FieldReader(body)
  const type = fields.u8()
  if (type === TYPE.hello) return decodeHello(fields)
  const id = fields.u32()
  if (type === TYPE.manifest) return decodeManifest(id, fields)
  if (type === TYPE.record) return { type: 'record', id, record: decodeRecord(fields) }
  if (type === TYPE.chunk) {
    const index = fields.u32()
    const encoding = encodingOfCode(fields.u8())
    if (encoding === undefined) throw malformed('unknown encoding')
    return { type: 'chunk', id, index, encoding, bytes: fields.rest() }
  }
  if (type === TYPE.status) {
    const status = statusNames.get(fields.u8())
    if (status === undefined) throw malformed('unknown status')
    fields.end()
    return { type: 'status', id, status }
  }
  if (type === TYPE.wait || type === TYPE.fetching) {
    fields.end()
    return { type: type === TYPE.wait ? 'wait' : 'fetching', id }
  }
  throw malformed(`unknown answer type ${type}`)
}

function decodeManifest(id: number, fields: FieldReader): ManifestAnswer {
  const flags = fields.u8()
  if ((flags & ~FLAG_INCOMPLETE) !== 0) throw malformed(`flags ${flags}`)
  const size = fields.u64()
  const chunkSize = fields.u32()
  if (!isChunkSize(chunkSize)) throw malformed(`chunk size of ${chunkSize} bytes`)
  const chunks = chunkCount(size, chunkSize)
  if (!isWithinChunkLimit({ size, chunkSize })) {
    throw malformed(`${chunks} chunks of ${chunkSize} bytes`)
  }
  const leaves = fields.bytes(chunks === 1 ? 0 : chunks * HASH_BYTES)
  const incomplete = (flags & FLAG_INCOMPLETE) !== 0
  // One chunk is there or it is not.
  if (incomplete && chunks === 1) throw malformed('one chunk that is not complete')
  const present = incomplete ? decodePresent(fields, chunks) : undefined
  fields.end()
  return { type: 'manifest', id, size, chunkSize, leaves, present }
}

function decodePresent(fields: FieldReader, chunks: number): Bitfield {
  const bytes = fields.bytes(Math.ceil(chunks / 8))
  try {
    return Bitfield.decode(bytes, chunks)
  } catch (error) {
    if (error instanceof MalformedError) throw malformed(error.message)
    throw error
  }
}

function encodeHello(message: Hello): Uint8Array {
  const body = new FieldWriter().u8(TYPE.hello).u8(message.version).u8(message.encodings.length)
  for (const encoding of message.encodings) body.u8(ENCODING_CODES[encoding])
  return encodeFrame(body.toBytes())
}

function decodeHello(fields: FieldReader): Hello {
  const version = fields.u8()
  const ids = fields.bytes(fields.u8())
  const encodings = [...ids].flatMap((id) => encodingOfCode(id) ?? [])
  return { type: 'hello', version, encodings }
}

function malformed(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `malformed message: ${what}`)
}
