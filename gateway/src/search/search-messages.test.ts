/** The search protocol, byte by byte: vectors written by hand from docs/protocol.md. */
import { readFileSync } from 'node:fs'
import { isCatalogError } from '@catalog-p2p/core'
import { describe, expect, test } from 'vitest'
import type { FoundPackage } from './merge.ts'
import { MAX_RESULTS, SEARCH_PROTOCOL, type SearchRequest } from './search-messages.ts'

interface Vector<Message> {
  readonly name: string
  readonly message: Message
  /** Hex of the whole frame. */
  readonly frame: string
}
interface Malformed {
  readonly name: string
  readonly body: string
}
interface Vectors {
  readonly requests: readonly Vector<SearchRequest>[]
  readonly responses: readonly Vector<readonly FoundPackage[]>[]
  readonly malformedRequests: readonly Malformed[]
  readonly malformedResponses: readonly Malformed[]
}

const file = new URL('../../../test/protocol/vectors/search.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const { request, response } = SEARCH_PROTOCOL
const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

function framed(body: Uint8Array): string {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.byteLength)
  return Buffer.concat([length, body]).toString('hex')
}

function refusal(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    return isCatalogError(error, 'PEER_MISBEHAVED')
  }
}

test.each(vectors.requests)('request: $name', ({ message, frame }) => {
  expect(framed(request.encode(message))).toBe(frame.replaceAll(' ', ''))
  expect(request.decode(fromHex(frame).subarray(4))).toEqual(message)
})

test.each(vectors.responses)('response: $name', ({ message, frame }) => {
  expect(framed(response.encode(message))).toBe(frame.replaceAll(' ', ''))
  expect(response.decode(fromHex(frame).subarray(4))).toEqual(message)
})

test.each(vectors.malformedRequests)('a request is refused: $name', ({ body }) => {
  expect(refusal(() => request.decode(fromHex(body)))).toBe(true)
})

test.each(vectors.malformedResponses)('a response is refused: $name', ({ body }) => {
  expect(refusal(() => response.decode(fromHex(body)))).toBe(true)
})

describe('the longest', () => {
  test('request fits its frame', () => {
    const longest = { text: 'x'.repeat(200), limit: MAX_RESULTS }
    expect(request.encode(longest).byteLength).toBe(request.maxBytes)
    expect(request.decode(request.encode(longest))).toEqual(longest)
    expect(
      refusal(() => request.decode(request.encode({ ...longest, text: 'x'.repeat(201) }))),
    ).toBe(true)
  })

  test('response fits its frame', () => {
    const longest: FoundPackage = {
      name: 'n'.repeat(214),
      version: `1.0.0-${'v'.repeat(250)}`,
      description: 'd'.repeat(512),
      keywords: Array.from({ length: 16 }, () => 'k'.repeat(64)),
      publishedAtMs: 8.64e15,
    }
    const all = Array.from({ length: MAX_RESULTS }, () => longest)
    const body = response.encode(all)
    expect(body.byteLength).toBeLessThanOrEqual(response.maxBytes)
    expect(response.decode(body)).toEqual(all)
  })
})
