/**
 * The wire, byte by byte: vectors written by hand from docs/protocol.md. When one of these fails, peers of the last release
 * no longer understand us: change the protocol's id, not the vector.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../core/src/content/bitfield.ts'
import { chunkCount } from '../../core/src/content/chunking.ts'
import { ENCODING_CODES, type Encoding } from '../../core/src/content/compression.ts'
import { digestOf } from '../../core/src/content/digest.ts'
import { describeBytes } from '../../core/src/content/manifest.ts'
import { nameKeyFromBytes, packageKeyOf } from '../../core/src/content/name-key.ts'
import { decodeManifest, encodeManifest } from '../../core/src/wire/manifest-codec.ts'
import { hashLeaf, merkleRoot } from '../../core/src/content/merkle.ts'
import {
  decodeInventoryMessage,
  encodeInventoryMessage,
  INVENTORY_PROTOCOL,
  MAX_INVENTORY_FRAME_BYTES,
  type InventoryMessage,
} from '../../core/src/wire/inventory-messages.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  MAX_PEERS_FRAME_BYTES,
  PEER_EXCHANGE_PROTOCOL,
  type PeerMessage,
} from '../../core/src/wire/peer-messages.ts'
import { CARRIER_OFFERS } from '../../core/src/carrier/offer-protocol.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import {
  MEMBER_METADATA,
  type MemberRequest,
} from '../../gateway/src/packuments/members/member-protocol.ts'
import { PACKUMENTS } from '../../gateway/src/packuments/peers/packument-protocol.ts'
import { openProof, sealProof, type ProofContext, type Sealer } from '../../core/src/swarm/proof.ts'
import { parseSwarmKey, swarmKeyToText } from '../../core/src/swarm/swarm-key.ts'
import { createFrameSplitter, encodeFrame } from '../../core/src/wire/frames.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  MAX_REQUEST_FRAME_BYTES,
  STATUS_IDS,
  TRANSFER_PROTOCOL,
  TRANSFER_VERSION,
  type Answer,
  type Request,
} from '../../core/src/wire/transfer-messages.ts'

interface Vector {
  readonly name: string
  readonly message: Record<string, unknown>
  /** Hex of the whole frame; spaces between fields. */
  readonly frame: string
}
interface Malformed {
  readonly name: string
  readonly body: string
}

function load<T>(name: string): T {
  const path = new URL(`vectors/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unspaced = (hex: string): string => hex.replaceAll(' ', '')

function bodyOf(frame: string, maxFrameBytes: number): Uint8Array {
  const splitter = createFrameSplitter(maxFrameBytes)
  const [body, ...others] = splitter.push(fromHex(frame))
  splitter.end()
  if (body === undefined || others.length > 0) throw new Error('not one frame')
  return body
}

function isRefused(decode: () => unknown): boolean {
  try {
    decode()
  } catch (error) {
    if (isCatalogError(error, 'PEER_MISBEHAVED')) return true
    throw error
  }
  return false
}

type Plain = Record<string, unknown>

describe('/catalog/transfer/3.0.0', () => {
  const vectors = load<{
    requests: Vector[]
    answers: Vector[]
    malformed: { requests: Malformed[]; answers: Malformed[] }
  }>('transfer')

  function toMessage(plain: Plain): Request & Answer {
    const message: Record<string, unknown> = { ...plain }
    for (const name of ['record', 'evidence']) {
      if (plain[name] !== undefined) message[name] = toMessage(plain[name] as Plain)
    }
    if (plain['digest'] === 'abc') message['digest'] = digestOf(Buffer.from('abc'))
    for (const name of ['leaves', 'bytes', 'leaf', 'signature', 'statement']) {
      if (typeof plain[name] === 'string') message[name] = fromHex(plain[name])
    }
    if (plain['type'] === 'manifest') {
      const { size, chunkSize, present } = plain as {
        size: number
        chunkSize: number
        present?: number[]
      }
      const field = new Bitfield(chunkCount(size, chunkSize))
      for (const index of present ?? []) field.add(index)
      message['present'] = present === undefined ? undefined : field
    }
    return message as unknown as Request & Answer
  }

  function toPlain(message: Request | Answer): Record<string, unknown> {
    const plain: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(message) as [string, unknown][]) {
      if (value instanceof Bitfield) plain[name] = [...value.present()]
      else if (value instanceof Uint8Array) plain[name] = toHex(value)
      else if (name === 'record' || name === 'evidence') plain[name] = toPlain(value as Request)
      else if (name === 'digest')
        plain[name] = value === digestOf(Buffer.from('abc')) ? 'abc' : value
      else if (value !== undefined) plain[name] = value
    }
    return plain
  }

  const expected = ({ message }: Vector): Record<string, unknown> =>
    typeof message['leaves'] === 'string'
      ? { ...message, leaves: unspaced(message['leaves']) }
      : message

  test.each(vectors.requests)('request: $name', (vector) => {
    expect(toHex(encodeRequest(toMessage(vector.message)))).toBe(unspaced(vector.frame))
    const body = bodyOf(vector.frame, MAX_REQUEST_FRAME_BYTES)
    expect(toPlain(decodeRequest(body))).toEqual(expected(vector))
  })

  test.each(vectors.answers)('answer: $name', (vector) => {
    expect(toHex(encodeAnswer(toMessage(vector.message)))).toBe(unspaced(vector.frame))
    const body = bodyOf(vector.frame, MAX_ANSWER_FRAME_BYTES)
    expect(toPlain(decodeAnswer(body))).toEqual(expected(vector))
  })

  test.each(vectors.malformed.requests)('no request: $name', ({ body }) => {
    expect(isRefused(() => decodeRequest(fromHex(body)))).toBe(true)
  })

  test.each(vectors.malformed.answers)('no answer: $name', ({ body }) => {
    expect(isRefused(() => decodeAnswer(fromHex(body)))).toBe(true)
  })

  test('there is a vector of every message, status and encoding', () => {
    const types = (list: Vector[]): unknown[] => [
      ...new Set(list.map(({ message }) => message['type'])),
    ]
    expect(types(vectors.requests)).toEqual([
      ...['hello', 'want', 'want-chunk', 'cancel', 'want-named', 'want-fetch'],
    ])
    expect(types(vectors.answers)).toEqual([
      ...['hello', 'manifest', 'chunk', 'status', 'wait', 'record', 'fetching'],
    ])
    const statuses = vectors.answers.flatMap(({ message }) => message['status'] ?? [])
    expect(statuses).toEqual(Object.keys(STATUS_IDS))
    const encodings = vectors.answers.flatMap(({ message }) => message['encoding'] ?? [])
    expect(new Set(encodings)).toEqual(new Set(Object.keys(ENCODING_CODES) as Encoding[]))
  })

  test('ids, versions and limits', () => {
    expect(TRANSFER_PROTOCOL).toBe('/catalog/transfer/3.0.0')
    expect(TRANSFER_VERSION).toBe(1)
    expect(MAX_REQUEST_FRAME_BYTES).toBe(1024)
    expect(MAX_ANSWER_FRAME_BYTES).toBe(4 * 1024 * 1024 + 64)
  })
})

describe('/catalog/inventory/2.0.0', () => {
  const vectors = load<{ messages: Vector[]; malformed: Malformed[] }>('inventory')

  function toMessage(plain: Record<string, unknown>): InventoryMessage {
    const { prefixes } = plain as { prefixes?: string[] }
    const values = prefixes && Uint32Array.from(prefixes.map((hex) => Number.parseInt(hex, 16)))
    return { ...plain, ...(values && { prefixes: values }) } as InventoryMessage
  }

  test.each(vectors.messages)('$name', ({ message, frame }) => {
    expect(toHex(encodeInventoryMessage(toMessage(message)))).toBe(unspaced(frame))
    const decoded = decodeInventoryMessage(bodyOf(frame, MAX_INVENTORY_FRAME_BYTES))
    expect(decoded).toEqual(toMessage(message))
  })

  test.each(vectors.malformed)('malformed: $name', ({ body }) => {
    expect(isRefused(() => decodeInventoryMessage(fromHex(body)))).toBe(true)
  })

  test('there is a vector of every message', () => {
    expect(vectors.messages.map(({ message }) => message['type'])).toEqual([
      ...['snapshot', 'part', 'end', 'have', 'lost', 'alive'],
    ])
    expect(INVENTORY_PROTOCOL).toBe('/catalog/inventory/2.0.0')
    expect(MAX_INVENTORY_FRAME_BYTES).toBe(64 * 1024)
  })
})

describe('/catalog/peers/1.0.0', () => {
  const vectors = load<{ messages: Vector[]; malformed: Malformed[] }>('peers')

  test.each(vectors.messages)('$name', ({ message, frame }) => {
    const typed = message as unknown as PeerMessage
    expect(toHex(encodeFrame(encodePeerMessage(typed)))).toBe(unspaced(frame))
    expect(decodePeerMessage(bodyOf(frame, MAX_PEERS_FRAME_BYTES))).toEqual(typed)
  })

  test.each(vectors.malformed)('malformed: $name', ({ body }) => {
    expect(isRefused(() => decodePeerMessage(fromHex(body)))).toBe(true)
  })

  test('there is a vector of every message', () => {
    const types = new Set(vectors.messages.map(({ message }) => message['type']))
    expect(types).toEqual(new Set(['ask', 'peers']))
    expect(PEER_EXCHANGE_PROTOCOL).toBe('/catalog/peers/1.0.0')
    expect(MAX_PEERS_FRAME_BYTES).toBe(72 * 1024)
  })
})

describe('/catalog/carrier/1.0.0', () => {
  const { offer, request, laterRequest, malformed } = load<{
    request: string
    laterRequest: string
    offer: { message: { port: number; ticket: string; key: string }; frame: string }
    malformed: { requests: Malformed[]; offers: Malformed[] }
  }>('carrier')
  const { message, frame } = offer

  test('a question, and one of a later version', () => {
    expect(CARRIER_OFFERS.id).toBe('/catalog/carrier/1.0.0')
    const { encode, decode, maxBytes } = CARRIER_OFFERS.request
    expect(toHex(encodeFrame(encode({ version: 1 })))).toBe(unspaced(request))
    expect(decode(bodyOf(request, maxBytes))).toEqual({ version: 1 })
    expect(decode(fromHex(laterRequest))).toEqual({ version: 2 })
  })

  test('an offer', () => {
    const { encode, decode, maxBytes } = CARRIER_OFFERS.response
    const typed = { ...message, ticket: fromHex(message.ticket), key: fromHex(message.key) }
    expect(toHex(encodeFrame(encode(typed)))).toBe(unspaced(frame))
    const { port, ticket, key } = decode(bodyOf(frame, maxBytes))
    expect({ port, ticket: toHex(ticket), key: toHex(key) }).toEqual(message)
  })

  test.each(malformed.requests)('malformed: $name', ({ body }) => {
    expect(isRefused(() => CARRIER_OFFERS.request.decode(fromHex(body)))).toBe(true)
  })

  test.each(malformed.offers)('malformed: $name', ({ body }) => {
    expect(isRefused(() => CARRIER_OFFERS.response.decode(fromHex(body)))).toBe(true)
  })
})

describe('/catalog/packuments/1.0.0', () => {
  const vectors = load<{
    requests: { name: string; message: { key: string; known: string[] }; frame: string }[]
    responses: { name: string; message: { fetchedAtMs: number; document: string }; frame: string }[]
    malformed: { requests: Malformed[]; responses: Malformed[] }
  }>('packuments')
  const { request, response } = PACKUMENTS

  test.each(vectors.requests)('$name', ({ message, frame }) => {
    const key = nameKeyFromBytes(fromHex(message.key))
    const known = message.known.map((each) => fromHex(each))
    expect(toHex(encodeFrame(request.encode({ key, known })))).toBe(unspaced(frame))
    const decoded = request.decode(bodyOf(frame, request.maxBytes))
    expect({ ...decoded, known: decoded.known.map(toHex) }).toEqual({ key, known: message.known })
  })

  test.each(vectors.responses)('$name', ({ message, frame }) => {
    const { fetchedAtMs } = message
    const document = fromHex(message.document)
    expect(toHex(encodeFrame(response.encode({ fetchedAtMs, document })))).toBe(unspaced(frame))
    const decoded = response.decode(bodyOf(frame, response.maxBytes))
    expect({ ...decoded, document: toHex(decoded.document) }).toEqual(message)
  })

  test.each(vectors.malformed.requests)('malformed: $name', ({ body }) => {
    expect(isRefused(() => request.decode(fromHex(body)))).toBe(true)
  })

  test.each(vectors.malformed.responses)('malformed: $name', ({ body }) => {
    expect(isRefused(() => response.decode(fromHex(body)))).toBe(true)
  })

  test('its limits are those of docs/protocol.md', () => {
    expect(PACKUMENTS.id).toBe('/catalog/packuments/1.0.0')
    expect([request.maxBytes, response.maxBytes]).toEqual([128, 16 * 1024 * 1024 + 8])
  })

  test('the key of a package is that of docs/protocol.md', () => {
    const text = 'catalog-p2p package 1\0https://registry.example/\0@fx/thing'
    const hash = createHash('sha256').update(text).digest('hex')
    expect(packageKeyOf({ registry: 'https://registry.example/', name: '@fx/thing' })).toBe(hash)
  })
})

describe('metadata of a fleet', () => {
  const vectors = load<{
    requests: { name: string; message: MemberRequest; frame: string }[]
    responses: { name: string; message: { status: string; document?: string }; frame: string }[]
    malformed: { requests: Malformed[]; responses: Malformed[] }
  }>('fleet-metadata')
  const { request, response } = MEMBER_METADATA

  test.each(vectors.requests)('$name', ({ message, frame }) => {
    expect(toHex(encodeFrame(request.encode(message)))).toBe(unspaced(frame))
    expect(request.decode(bodyOf(frame, request.maxBytes))).toEqual(message)
  })

  test.each(vectors.responses)('$name', ({ message, frame }) => {
    const decoded = response.decode(bodyOf(frame, response.maxBytes))
    const document = 'document' in decoded && { document: toHex(decoded.document) }
    expect({ ...decoded, ...document }).toEqual(message)
    expect(toHex(encodeFrame(response.encode(decoded)))).toBe(unspaced(frame))
  })

  test.each(vectors.malformed.requests)('malformed: $name', ({ body }) => {
    expect(isRefused(() => request.decode(fromHex(body)))).toBe(true)
  })

  test.each(vectors.malformed.responses)('malformed: $name', ({ body }) => {
    expect(isRefused(() => response.decode(fromHex(body)))).toBe(true)
  })

  test('its limits are those of docs/protocol.md', () => {
    expect(MEMBER_METADATA.id).toBe('/catalog/fleet-metadata/1.0.0')
    expect([request.maxBytes, response.maxBytes]).toEqual([2631, 16 * 1024 * 1024 + 6])
    expect([MEMBER_METADATA.beatMs, MEMBER_METADATA.timeoutMs]).toEqual([100, 60_000])
  })
})

describe('private swarms', () => {
  const vectors = load<{
    key: string
    text: string
    dialer: string
    listener: string
    dialerNonce: string
    listenerNonce: string
    proofs: (Sealer & Pick<ProofContext, 'purpose'> & { credential: string; sealed: string })[]
  }>('swarm')
  const key = Buffer.from(vectors.key, 'hex')

  test('the text of a key', () => {
    expect(swarmKeyToText(key)).toBe(vectors.text)
    expect(parseSwarmKey(vectors.text)).toEqual(Uint8Array.from(key))
  })

  test.each(vectors.proofs)('$purpose: $step of the $role', ({ purpose, sealed, ...rest }) => {
    const context: ProofContext = {
      ...{ purpose, dialer: vectors.dialer, listener: vectors.listener },
      dialerNonce: Buffer.from(vectors.dialerNonce, 'hex'),
      listenerNonce: Buffer.from(vectors.listenerNonce, 'hex'),
    }
    const credential = Buffer.from(rest.credential, 'hex')
    expect(sealProof(key, context, rest, credential).toString('hex')).toBe(sealed)
    expect(openProof(key, context, rest, Buffer.from(sealed, 'hex'))).toEqual(credential)
    for (let bit = 0; bit < sealed.length * 4; bit += 37) {
      const other = Buffer.from(sealed, 'hex')
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(openProof(key, context, rest, other)).toBeUndefined()
    }
  })
})

describe('manifests and Merkle trees', () => {
  const vectors = load<{
    leaves: { name: string; chunk: string; leaf: string }[]
    roots: { name: string; leaves: string[]; root: string }[]
    manifests: { name: string; bytes: string; chunkSize: number; encoded: string }[]
  }>('manifest')

  test.each(vectors.leaves)('leaf: $name', ({ chunk, leaf }) => {
    expect(toHex(hashLeaf(fromHex(chunk)))).toBe(leaf)
  })

  test.each(vectors.roots)('root: $name', ({ leaves, root }) => {
    expect(toHex(merkleRoot(fromHex(leaves.join(''))))).toBe(root)
  })

  test.each(vectors.manifests)('manifest: $name', ({ bytes, chunkSize, encoded }) => {
    const content = fromHex(bytes)
    const { manifest } = describeBytes(digestOf(content), content, chunkSize)
    expect(toHex(encodeManifest(manifest))).toBe(unspaced(encoded))
    const decoded = decodeManifest(fromHex(encoded))
    expect({ ...decoded, root: toHex(decoded.root) }).toEqual({
      ...manifest,
      root: toHex(manifest.root),
    })
  })
})
