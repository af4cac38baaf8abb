import { describe, expect, test } from 'vitest'
import { Bitfield } from '../content/bitfield.ts'
import { MAX_CHUNK_SIZE, MAX_CHUNKS, MIN_CHUNK_SIZE } from '../content/chunking.ts'
import { digestOf } from '../content/digest.ts'
import { HASH_BYTES } from '../content/merkle.ts'
import { isCatalogError } from '../errors.ts'
import { FRAME_HEADER_BYTES } from './frames.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  MAX_REQUEST_FRAME_BYTES,
  STATUS_IDS,
  type Answer,
  type ManifestAnswer,
  type Request,
  type Status,
} from './transfer-messages.ts'

const digest = digestOf(Buffer.from('some bytes'))
const MAX_ID = 0xffffffff
const misbehaved = expect.toSatisfy((error: unknown) => isCatalogError(error, 'PEER_MISBEHAVED'))
const bodyOf = (frame: Uint8Array): Uint8Array => frame.subarray(FRAME_HEADER_BYTES)
const leaves = (count: number): Uint8Array => new Uint8Array(count * HASH_BYTES).fill(3)

function present(length: number, ...indices: number[]): Bitfield {
  const field = new Bitfield(length)
  for (const index of indices) field.add(index)
  return field
}

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const requests: Request[] = [
  { type: 'hello', version: 1, encodings: ['zstd', 'lz4', 'gzip'] },
  { type: 'hello', version: 255, encodings: [] },
  { type: 'want', id: 0, digest },
  { type: 'want', id: MAX_ID, digest },
  { type: 'want-chunk', id: 7, digest, index: 0, leaf: leaves(1) },
  { type: 'want-chunk', id: MAX_ID, digest, index: MAX_CHUNKS - 1, leaf: leaves(1) },
  { type: 'cancel', id: MAX_ID },
]

const chunkSize = MIN_CHUNK_SIZE
const one = { type: 'manifest', id: 1, chunkSize, leaves: leaves(0), present: undefined } as const
const manifests: ManifestAnswer[] = [
  { ...one, size: 0 },
  { ...one, size: chunkSize },
  { ...one, size: chunkSize + 1, leaves: leaves(2) },
  { ...one, size: 9 * chunkSize, leaves: leaves(9), present: present(9, 0, 8) },
  { ...one, size: 8 * chunkSize, leaves: leaves(8), present: present(8) },
  {
    ...one,
    size: MAX_CHUNKS * MAX_CHUNK_SIZE,
    chunkSize: MAX_CHUNK_SIZE,
    leaves: leaves(MAX_CHUNKS),
    present: present(MAX_CHUNKS, 5),
  },
]
const answers: Answer[] = [
  { type: 'hello', version: 1, encodings: ['gzip'] },
  ...manifests,
  { type: 'chunk', id: MAX_ID, index: 3, encoding: 'none', bytes: new Uint8Array(0) },
  { type: 'chunk', id: 1, index: 0, encoding: 'zstd', bytes: Uint8Array.of(1, 2, 3) },
  { type: 'chunk', id: 1, index: 0, encoding: 'none', bytes: new Uint8Array(MAX_CHUNK_SIZE) },
  { type: 'wait', id: MAX_ID },
  ...(Object.keys(STATUS_IDS) as Status[]).map(
    (status) => ({ type: 'status', id: 9, status }) as const,
  ),
]

/** Byte fields as hex, so that views compare by what is in them. */
function plain(message: Request | Answer): unknown {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]: [string, unknown]) => {
      if (value instanceof Bitfield) return [name, Buffer.from(value.encode()).toString('hex')]
      return [name, value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value]
    }),
  )
}

describe('messages', () => {
  test.each(requests)('request $type comes back as it was', (request) => {
    const frame = encodeRequest(request)
    expect(frame.byteLength).toBeLessThanOrEqual(FRAME_HEADER_BYTES + MAX_REQUEST_FRAME_BYTES)
    expect(decodeRequest(bodyOf(frame))).toEqual(request)
  })

  test.each(answers)('answer $type comes back as it was', (answer) => {
    const frame = encodeAnswer(answer)
    expect(frame.byteLength).toBeLessThanOrEqual(FRAME_HEADER_BYTES + MAX_ANSWER_FRAME_BYTES)
    expect(plain(decodeAnswer(bodyOf(frame)))).toEqual(plain(answer))
  })

  test.each(requests.filter(({ type }) => type !== 'hello'))(
    'a $type cut short or too long is malformed',
    (request) => {
      const body = bodyOf(encodeRequest(request))
      for (let length = 1; length < body.byteLength; length++) {
        expect(thrownBy(() => decodeRequest(body.subarray(0, length)))).toEqual(misbehaved)
      }
      const longer = Buffer.concat([body, Buffer.alloc(1)])
      expect(thrownBy(() => decodeRequest(longer))).toEqual(misbehaved)
    },
  )

  test.each(manifests.slice(0, 5))('a manifest of $size bytes cut short or too long', (answer) => {
    const body = bodyOf(encodeAnswer(answer))
    for (let length = 1; length < body.byteLength; length++) {
      expect(thrownBy(() => decodeAnswer(body.subarray(0, length)))).toEqual(misbehaved)
    }
    const longer = Buffer.concat([body, Buffer.alloc(1)])
    expect(thrownBy(() => decodeAnswer(longer))).toEqual(misbehaved)
  })

  test('unknown types, statuses, encodings and flags are malformed', () => {
    for (const type of [0, 5, 16, 20, 255]) {
      const body = Buffer.concat([Buffer.of(type), Buffer.alloc(80)])
      expect(thrownBy(() => decodeRequest(body))).toEqual(misbehaved)
      expect(thrownBy(() => decodeAnswer(body))).toEqual(misbehaved)
    }
    for (const status of [0, 6, 255]) {
      const body = Buffer.of(19, 0, 0, 0, 1, status)
      expect(thrownBy(() => decodeAnswer(body))).toEqual(misbehaved)
    }
    const chunk = Buffer.of(18, 0, 0, 0, 1, 0, 0, 0, 0, 4)
    expect(thrownBy(() => decodeAnswer(chunk))).toEqual(misbehaved)
    const manifest = Buffer.from(bodyOf(encodeAnswer({ ...one, size: 5 })))
    manifest[5] = 2
    expect(thrownBy(() => decodeAnswer(manifest))).toEqual(misbehaved)
  })

  test('an answer is no request, and the other way round', () => {
    const answer = bodyOf(encodeAnswer({ type: 'status', id: 1, status: 'busy' }))
    expect(thrownBy(() => decodeRequest(answer))).toEqual(misbehaved)
    const request = bodyOf(encodeRequest({ type: 'want', id: 1, digest }))
    expect(thrownBy(() => decodeAnswer(request))).toEqual(misbehaved)
  })

  test('a manifest outside the bounds is malformed, before anything is allocated for it', () => {
    const bad = (fields: { size: number; chunkSize: number }): Uint8Array =>
      bodyOf(encodeAnswer({ ...one, ...fields, leaves: leaves(2) }))
    for (const fields of [
      { size: 2 * chunkSize, chunkSize: chunkSize / 2 },
      { size: 2 * chunkSize, chunkSize: chunkSize + 1 },
      { size: 2 * MAX_CHUNK_SIZE, chunkSize: 2 * MAX_CHUNK_SIZE },
      { size: 2 * chunkSize, chunkSize: 0 },
      { size: Number.MAX_SAFE_INTEGER, chunkSize },
      { size: chunkSize * MAX_CHUNKS + 1, chunkSize },
    ]) {
      expect(thrownBy(() => decodeAnswer(bad(fields)))).toEqual(misbehaved)
    }
  })

  test('a bitfield with a spare bit, or of a single chunk, is malformed', () => {
    const nine = { ...one, size: 9 * chunkSize, leaves: leaves(9), present: present(9, 0) }
    const body = Buffer.from(bodyOf(encodeAnswer(nine)))
    body[body.byteLength - 1] = 0x01
    expect(thrownBy(() => decodeAnswer(body))).toEqual(misbehaved)
    const single = bodyOf(encodeAnswer({ ...one, size: 5, present: present(1, 0) }))
    expect(thrownBy(() => decodeAnswer(single))).toEqual(misbehaved)
  })

  test('a hello of a later version: unknown encodings and what follows are ignored', () => {
    const body = Buffer.of(1, 9, 3, 200, 1, 3, 77, 77)
    const expected = { type: 'hello', version: 9, encodings: ['zstd', 'gzip'] }
    expect(decodeRequest(body)).toEqual(expected)
    expect(decodeAnswer(body)).toEqual(expected)
  })

  test('a hello that promises more encodings than it has is malformed', () => {
    expect(thrownBy(() => decodeRequest(Buffer.of(1, 1, 3, 1)))).toEqual(misbehaved)
  })
})
