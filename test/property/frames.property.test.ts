/** Frames survive any cutting of the stream; anything else ends in PEER_MISBEHAVED with a bounded buffer. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import { createFrameSplitter, encodeFrame } from '../../core/src/wire/frames.ts'

const MAX = 400
const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: MAX }), { maxLength: 20 })
const cuts = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 40 })

/** The stream in pieces of these lengths, over and over. */
function* pieces(stream: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let offset = 0, turn = 0; offset < stream.byteLength; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    yield stream.subarray(offset, offset + length)
    offset += length
  }
}

describe('frames', () => {
  test('come back, in order, however the stream is cut', () => {
    fc.assert(
      fc.property(bodies, cuts, (sent, lengths) => {
        const stream = Buffer.concat(sent.map((body) => encodeFrame(body)))
        const splitter = createFrameSplitter(MAX)
        const got: string[] = []
        for (const piece of pieces(stream, lengths)) {
          for (const frame of splitter.push(piece)) got.push(Buffer.from(frame).toString('hex'))
        }
        splitter.end()
        expect(got).toEqual(sent.map((body) => Buffer.from(body).toString('hex')))
      }),
    )
  })

  test('a stream cut anywhere inside a frame is told at its end', () => {
    fc.assert(
      fc.property(bodies, fc.nat(), (sent, at) => {
        const stream = Buffer.concat(sent.map((body) => encodeFrame(body)))
        const ends = new Set([0])
        let offset = 0
        for (const body of sent) ends.add((offset += body.byteLength + 4))
        const cut = at % (stream.byteLength + 1)
        const splitter = createFrameSplitter(MAX)
        splitter.push(stream.subarray(0, cut))
        if (ends.has(cut)) splitter.end()
        else expect(() => splitter.end()).toThrow('inside a frame')
      }),
    )
  })

  test('any bytes: frames within the bounds, or PEER_MISBEHAVED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), cuts, (stream, lengths) => {
        const splitter = createFrameSplitter(MAX)
        try {
          for (const piece of pieces(stream, lengths)) {
            for (const frame of splitter.push(piece)) {
              expect(frame.byteLength).toBeGreaterThan(0)
              expect(frame.byteLength).toBeLessThanOrEqual(MAX)
            }
          }
        } catch (error) {
          if (!isCatalogError(error, 'PEER_MISBEHAVED')) throw error
        }
      }),
    )
  })
})
