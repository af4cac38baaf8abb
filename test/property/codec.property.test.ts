/** Messages come back as they were; whatever else is read, it is a message within the bounds or PEER_MISBEHAVED. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../core/src/content/bitfield.ts'
import { MAX_CHUNK_SIZE, MAX_CHUNKS } from '../../core/src/content/chunking.ts'
import { ENCODING_CODES, type Encoding } from '../../core/src/content/compression.ts'
import { digestFromBytes } from '../../core/src/content/digest.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import { FRAME_HEADER_BYTES } from '../../core/src/wire/frames.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  STATUS_IDS,
  type Answer,
  type Request,
  type Status,
} from '../../core/src/wire/transfer-messages.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const digest = fc.uint8Array({ minLength: 64, maxLength: 64 }).map(digestFromBytes)
const leaf = fc.uint8Array({ minLength: 32, maxLength: 32 })
const encoding = fc.constantFrom(...(Object.keys(ENCODING_CODES) as Encoding[]))
const hello = fc.record({
  type: fc.constant('hello' as const),
  version: fc.integer({ min: 0, max: 255 }),
  encodings: fc.array(encoding, { maxLength: 255 }),
})

const requests: fc.Arbitrary<Request> = fc.oneof(
  hello,
  fc.record({ type: fc.constant('want' as const), id: u32, digest }),
  fc.record({ type: fc.constant('want-chunk' as const), id: u32, digest, index: u32, leaf }),
  fc.record({ type: fc.constant('cancel' as const), id: u32 }),
)

const manifests = fc
  .record({
    id: u32,
    chunks: fc.integer({ min: 1, max: 70 }),
    chunkSize: fc.integer({ min: 16, max: 22 }).map((bits) => 2 ** bits),
    last: fc.nat(),
    incomplete: fc.boolean(),
    fill: fc.nat(255),
    bits: fc.uniqueArray(fc.nat(69)),
  })
  .map(({ id, chunks, chunkSize, last, incomplete, fill, bits }): Answer => {
    const size = (chunks - 1) * chunkSize + 1 + (last % chunkSize)
    const leaves = new Uint8Array(chunks === 1 ? 0 : chunks * 32).fill(fill)
    if (!incomplete || chunks === 1) {
      return { type: 'manifest', id, size, chunkSize, leaves, present: undefined }
    }
    const present = new Bitfield(chunks)
    for (const bit of bits) if (bit < chunks) present.add(bit)
    return { type: 'manifest', id, size, chunkSize, leaves, present }
  })

const answers: fc.Arbitrary<Answer> = fc.oneof(
  hello,
  fc.record({ type: fc.constant('wait' as const), id: u32 }),
  manifests,
  fc.record({
    type: fc.constant('chunk' as const),
    id: u32,
    index: u32,
    encoding,
    bytes: fc.uint8Array({ maxLength: 3000 }),
  }),
  fc.record({
    type: fc.constant('status' as const),
    id: u32,
    status: fc.constantFrom(...(Object.keys(STATUS_IDS) as Status[])),
  }),
)

const bodyOf = (frame: Uint8Array): Uint8Array => frame.subarray(FRAME_HEADER_BYTES)

function plain(message: Request | Answer): unknown {
  const hex = (value: unknown): unknown => {
    if (value instanceof Bitfield) return Buffer.from(value.encode()).toString('hex')
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  }
  return Object.fromEntries(Object.entries(message).map(([name, value]) => [name, hex(value)]))
}

/** What decoding gives, or undefined if it was refused as it must be. */
function attempt<T>(decode: (body: Uint8Array) => T, body: Uint8Array): T | undefined {
  try {
    return decode(body)
  } catch (error) {
    if (isCatalogError(error, 'PEER_MISBEHAVED')) return undefined
    throw error
  }
}

describe('codec', () => {
  test('requests come back', () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(decodeRequest(bodyOf(encodeRequest(request)))).toEqual(request)
      }),
    )
  })

  test('answers come back', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const frame = encodeAnswer(answer)
        expect(frame.byteLength).toBeLessThanOrEqual(FRAME_HEADER_BYTES + MAX_ANSWER_FRAME_BYTES)
        expect(plain(decodeAnswer(bodyOf(frame)))).toEqual(plain(answer))
      }),
    )
  })

  test('any bytes: a message within the bounds, or PEER_MISBEHAVED', () => {
    const bodies = fc.uint8Array({ minLength: 1, maxLength: 300 })
    // The first byte is the type: give the real ones a chance.
    const typed = fc
      .tuple(fc.constantFrom(1, 2, 3, 4, 17, 18, 19), bodies)
      .map(([type, body]) => Uint8Array.of(type, ...body))
    fc.assert(
      fc.property(fc.oneof(bodies, typed), (body) => {
        attempt(decodeRequest, body)
        const answer = attempt(decodeAnswer, body)
        if (answer?.type !== 'manifest') return
        expect(answer.chunkSize).toBeLessThanOrEqual(MAX_CHUNK_SIZE)
        expect(answer.size).toBeLessThanOrEqual(MAX_CHUNK_SIZE * MAX_CHUNKS)
        expect(answer.leaves.byteLength).toBeLessThanOrEqual(body.byteLength)
      }),
      { numRuns: 2_000 },
    )
  })

  test('one changed byte never crashes', () => {
    fc.assert(
      fc.property(answers, fc.nat(), fc.integer({ min: 1, max: 255 }), (answer, at, change) => {
        const body = Uint8Array.from(bodyOf(encodeAnswer(answer)))
        const index = at % body.byteLength
        body[index] = (body[index] ?? 0) ^ change
        attempt(decodeAnswer, body)
        attempt(decodeRequest, body)
      }),
      { numRuns: 500 },
    )
  })
})
