/** The replicas protocol, byte by byte: vectors written by hand from docs/protocol.md. */
import { readFileSync } from 'node:fs'
import { isCatalogError, keyIdFromBytes } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { REPLICAS } from './replica-messages.ts'

interface Malformed {
  readonly name: string
  readonly body: string
}
interface Vectors {
  readonly requests: readonly {
    readonly name: string
    readonly message: { readonly name: string; readonly publisher: string; readonly head: string }
    readonly frame: string
  }[]
  readonly responses: readonly { name: string; message: boolean; frame: string }[]
  readonly malformedRequests: readonly Malformed[]
  readonly malformedResponses: readonly Malformed[]
}

const file = new URL('../../../test/protocol/vectors/replicas.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const { request, response } = REPLICAS
const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** In hex. */
function framed(body: Uint8Array): string {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.byteLength)
  return Buffer.concat([length, body]).toString('hex')
}

function isRefused(decode: () => unknown): boolean {
  try {
    decode()
    return false
  } catch (error) {
    return isCatalogError(error, 'PEER_MISBEHAVED')
  }
}

test.each(vectors.requests)('request: $name', ({ message, frame }) => {
  const publisher = keyIdFromBytes(fromHex(message.publisher))
  const expected = { name: message.name, publisher, head: Uint8Array.from(fromHex(message.head)) }
  expect(framed(request.encode(expected))).toBe(frame.replaceAll(' ', ''))
  expect(request.decode(fromHex(frame).subarray(4))).toEqual(expected)
})

test.each(vectors.responses)('response: $name', ({ message, frame }) => {
  expect(framed(response.encode(message))).toBe(frame.replaceAll(' ', ''))
  expect(response.decode(fromHex(frame).subarray(4))).toBe(message)
})

test.each(vectors.malformedRequests)('a request is refused: $name', ({ body }) => {
  expect(isRefused(() => request.decode(fromHex(body)))).toBe(true)
})

test.each(vectors.malformedResponses)('a response is refused: $name', ({ body }) => {
  expect(isRefused(() => response.decode(fromHex(body)))).toBe(true)
})

test('its limits are those of docs/protocol.md', () => {
  expect(REPLICAS.id).toBe('/catalog/replicas/1.0.0')
  expect([request.maxBytes, response.maxBytes]).toEqual([2 + 214 + 32 + 1024 * 1024, 1])
})
