/** /catalog/witnesses/1.0.0, byte by byte, as docs/protocol.md has it; and what a witness signs. */
import { readFileSync } from 'node:fs'
import { generateKey, isCatalogError, keyIdFromBytes, nameKeyFromBytes } from '@catalog-p2p/core'
import { keyIdOf, keyIdToBytes, signStatement, witnessKeyOf } from '@catalog-p2p/core'
import { describe, expect, test } from 'vitest'
import { createFrameSplitter, encodeFrame } from '../../core/src/wire/frames.ts'
import {
  MAX_ANSWER_BYTES,
  WITNESSES,
} from '../../gateway/src/packuments/witness/witness-protocol.ts'
import {
  openWitness,
  signWitness,
  WITNESS_TYPE,
} from '../../gateway/src/packuments/witness/witness-statement.ts'

interface Lists {
  readonly lists: readonly { readonly statement: string; readonly list: string }[]
}
interface Malformed {
  readonly name: string
  readonly body: string
}
interface Vectors {
  readonly requests: {
    name: string
    message: { key: string; witnesses: string[] }
    frame: string
  }[]
  readonly responses: { name: string; message: Lists; frame: string }[]
  readonly malformed: { requests: Malformed[]; responses: Malformed[] }
  readonly key: { registry: string; name: string; hex: string }
}

const path = new URL('vectors/witnesses.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors
const { request, response } = WITNESSES
const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function bodyOf(frame: string, maxBytes: number): Uint8Array {
  const [body] = createFrameSplitter(maxBytes).push(fromHex(frame))
  if (body === undefined) throw new Error('no frame')
  return body
}

describe('the wire', () => {
  test.each(vectors.requests)('$name', ({ message, frame }) => {
    const key = nameKeyFromBytes(fromHex(message.key))
    const witnesses = message.witnesses.map((hex) => keyIdFromBytes(fromHex(hex)))
    expect(toHex(encodeFrame(request.encode({ key, witnesses })))).toBe(toHex(fromHex(frame)))
    const decoded = request.decode(bodyOf(frame, request.maxBytes))
    expect(decoded.key).toBe(key)
    expect(decoded.witnesses.map((each) => toHex(keyIdToBytes(each)))).toEqual(message.witnesses)
  })

  test.each(vectors.responses)('$name', ({ message, frame }) => {
    const lists = message.lists.map(({ statement, list }) => {
      return { statement: fromHex(statement), list: fromHex(list) }
    })
    expect(toHex(encodeFrame(response.encode({ lists })))).toBe(toHex(fromHex(frame)))
    const decoded = response.decode(bodyOf(frame, response.maxBytes))
    expect(
      decoded.lists.map(({ statement, list }) => {
        return { statement: toHex(statement), list: toHex(list) }
      }),
    ).toEqual(message.lists)
  })

  test.each([
    ...vectors.malformed.requests.map((each) => ({ ...each, codec: request })),
    ...vectors.malformed.responses.map((each) => ({ ...each, codec: response })),
  ])('malformed: $name', ({ body, codec }) => {
    const refusal = (): unknown => {
      try {
        return codec.decode(fromHex(body))
      } catch (error) {
        return isCatalogError(error, 'PEER_MISBEHAVED')
      }
    }
    expect(refusal()).toBe(true)
  })

  test('its id, limits and key are those of docs/protocol.md', () => {
    expect(WITNESSES.id).toBe('/catalog/witnesses/1.0.0')
    expect([request.maxBytes, MAX_ANSWER_BYTES]).toEqual([33 * 32, 8 * 1024 * 1024])
    expect(witnessKeyOf(vectors.key)).toBe(vectors.key.hex)
  })
})

describe('what a witness signs', () => {
  const key = generateKey()
  const list = Buffer.from('a list')
  const said = {
    registry: 'https://registry.example/',
    name: 'fx-one',
    seenAtMs: 1_767_225_600_000,
  }
  const statement = signWitness({ ...said, list }, key)

  test('is opened as it was signed', () => {
    expect(openWitness({ statement, list })).toEqual({ ...said, witness: keyIdOf(key.publicKey) })
  })

  test('is of that list, and whole', () => {
    const refused = expect.objectContaining({ code: 'INVALID_STATEMENT' }) as Error
    expect(() => openWitness({ statement, list: Buffer.from('another') })).toThrow(refused)
    const forged = Buffer.from(statement)
    forged[forged.length - 100]! ^= 1
    expect(() => openWitness({ statement: forged, list })).toThrow(refused)
    const body = { registry: said.registry, name: said.name }
    const less = signStatement({ type: WITNESS_TYPE, body }, key)
    expect(() => openWitness({ statement: less, list })).toThrow(refused)
  })
})
