/** Releases, heads and how they are asked for, byte by byte: vectors written from docs/protocol.md by another program. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { digestOf, digestToBytes, type Digest } from '../../core/src/content/digest.ts'
import { hashLeaf } from '../../core/src/content/merkle.ts'
import { nameKeyFromBytes, type NameKey } from '../../core/src/content/name-key.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import { headKeyOf, headValueKey, registryOf } from '../../core/src/publications/head-key.ts'
import {
  HEAD_POINTER_TYPE,
  MAX_HEAD_VALUE_BYTES,
  openHeadValue,
  signHeadPointer,
} from '../../core/src/publications/head-pointer.ts'
import {
  HEAD_TYPE,
  MAX_HEAD_BYTES,
  openHead,
  signHead,
  type HeadFields,
} from '../../core/src/publications/head.ts'
import { HEADS } from '../../core/src/publications/heads-protocol.ts'
import {
  MAX_MANIFEST_BYTES,
  MAX_RELEASE_BYTES,
  openRelease,
  RELEASE_TYPE,
  signRelease,
} from '../../core/src/publications/release.ts'
import { decodeCanonical, type CanonicalValue } from '../../core/src/signing/canonical.ts'
import { importSecret } from '../../core/src/signing/hybrid-key.ts'
import { parseKeyId } from '../../core/src/signing/key-id.ts'
import { signStatement } from '../../core/src/signing/statement.ts'
import { createFrameSplitter, encodeFrame } from '../../core/src/wire/frames.ts'

interface Vectors {
  readonly names: {
    name: string
    publisher: string
    headKey: string
    valueKey: string
    registry: string
  }
  readonly bodies: { name: string; type: string; body: string }[]
  readonly requests: {
    name: string
    message: { key: string; known?: { sequence: number; digest: string } }
    frame: string
  }[]
  readonly malformed: { name: string; body: string }[]
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const vectors = load<Vectors>('publications')
const { key: keyVector } = load<{ key: { secret: string; id: string } }>('statements')
const key = importSecret(fromHex(keyVector.secret))
const publisher = parseKeyId(keyVector.id)
const abc = digestOf(Buffer.from('abc'))
const NEW_YEAR_MS = Date.UTC(2026, 0, 1)

const RELEASE = {
  ...{ name: '@fx/a', version: '1.0.0', digest: abc, size: 3, chunkSize: 1024 * 1024 },
  root: Uint8Array.from(hashLeaf(Buffer.from('abc'))),
  manifest: '{"name":"@fx/a","version":"1.0.0"}',
  publishedAtMs: NEW_YEAR_MS,
}
const FIRST: HeadFields = {
  ...{ name: '@fx/a', sequence: 1, previous: undefined, changedAtMs: NEW_YEAR_MS, unpublished: [] },
  releases: new Map([['1.0.0', { statement: abc }]]),
  tags: new Map([['latest', '1.0.0']]),
}
const LATER: HeadFields = {
  ...{ name: 'a', sequence: 300, previous: abc, changedAtMs: 0, unpublished: ['1.0.0'] },
  releases: new Map([['2.0.0', { statement: abc, deprecated: 'use b' }]]),
  tags: new Map(),
}

function bodyOf(index: number): { body: CanonicalValue; hex: string; type: string } {
  const { body, type } = vectors.bodies[index] ?? { body: '', type: '' }
  const value = decodeCanonical(fromHex(body), { maxBytes: 10_000 }) as CanonicalValue
  return { body: value, hex: toHex(fromHex(body)), type }
}

const changed = (body: CanonicalValue, change: Record<string, CanonicalValue>): CanonicalValue => ({
  ...(body as Record<string, CanonicalValue>),
  ...change,
})

function isRefused(open: () => unknown, code: 'INVALID_STATEMENT' | 'PEER_MISBEHAVED'): boolean {
  try {
    open()
  } catch (error) {
    if (isCatalogError(error, code)) return true
    throw error
  }
  return false
}

test('names', () => {
  const { headKey, valueKey, registry, name } = vectors.names
  expect(headKeyOf({ name, publisher })).toBe(headKey)
  expect(headValueKey(headKey as NameKey)).toBe(valueKey)
  expect(registryOf(publisher)).toBe(registry)
})

describe('a release', () => {
  const { body, hex, type } = bodyOf(0)
  test('is written and read', () => {
    expect(type).toBe(RELEASE_TYPE)
    expect(toHex(signRelease(RELEASE, key))).toContain(hex)
    expect(openRelease(signStatement({ type, body }, key))).toEqual({ ...RELEASE, publisher })
  })

  test.each<[string, Record<string, CanonicalValue>]>([
    ['a name that npm has not', { name: '../a' }],
    ['a version that is none', { version: 'latest' }],
    ['a digest of another length', { digest: new Uint8Array(32) }],
    ['a root of another length', { root: new Uint8Array(31) }],
    ['a chunk size that is none', { chunkSize: 1000 }],
    ['a size below zero', { size: -1 }],
    ['a package.json of another name', { manifest: '{"name":"b","version":"1.0.0"}' }],
    ['a package.json of another version', { manifest: '{"name":"@fx/a","version":"1.0.1"}' }],
    ['a package.json that is none', { manifest: '[]' }],
    ['a package.json that is no JSON', { manifest: '{' }],
    ['a field that is not known', { extra: 1 }],
    ['no time', { time: null }],
  ])('is refused with %s', (_what, change) => {
    const statement = signStatement({ type, body: changed(body, change) }, key)
    expect(isRefused(() => openRelease(statement), 'INVALID_STATEMENT')).toBe(true)
  })
})

describe('a head', () => {
  test.each([
    [1, FIRST],
    [2, LATER],
  ])('is written and read (%i)', (index, fields) => {
    const { body, hex, type } = bodyOf(index)
    expect(type).toBe(HEAD_TYPE)
    expect(toHex(signHead(fields, key))).toContain(hex)
    const statement = signStatement({ type, body }, key)
    expect(openHead(statement)).toEqual({ ...fields, publisher, digest: digestOf(statement) })
  })

  const bytes = Uint8Array.from(digestToBytes(abc))
  const { body, type } = bodyOf(1)
  test.each<[string, Record<string, CanonicalValue>]>([
    ['number 0', { sequence: 0 }],
    ['number 1 after another one', { previous: bytes }],
    ['number 2 after none', { sequence: 2 }],
    ['a tag to what is not there', { tags: { latest: '2.0.0' } }],
    ['a tag that reads as a number', { tags: { '1': '1.0.0' } }],
    ['a tag with a path in it', { tags: { 'a/b': '1.0.0' } }],
    ['a release that was unpublished', { unpublished: ['1.0.0'] }],
    ['a version that is none', { unpublished: ['x'] }],
    ['a release of another length', { releases: { '1.0.0': { statement: bytes.subarray(1) } } }],
    ['an empty deprecation', { releases: { '1.0.0': { statement: bytes, deprecated: '' } } }],
    ['a name that npm has not', { name: 'a b' }],
    ['a field that is not known', { extra: 1 }],
  ])('is refused with %s', (_what, change) => {
    const statement = signStatement({ type, body: changed(body, change) }, key)
    expect(isRefused(() => openHead(statement), 'INVALID_STATEMENT')).toBe(true)
  })
})

test('a pointer', () => {
  const { body, hex, type } = bodyOf(3)
  expect(type).toBe(HEAD_POINTER_TYPE)
  const head = { ...LATER, publisher, digest: abc }
  expect(toHex(signHeadPointer(head, key))).toContain(hex)
  const expected = { name: 'a', sequence: 300, digest: abc, publisher, head: undefined }
  expect(openHeadValue(signStatement({ type, body }, key))).toEqual(expected)
})

describe('/catalog/heads/1.0.0', () => {
  const { request, response } = HEADS

  test.each(vectors.requests)('$name', ({ message, frame }) => {
    const known = message.known && {
      sequence: message.known.sequence,
      digest: abc satisfies Digest,
    }
    const expected = { key: nameKeyFromBytes(fromHex(message.key)), known }
    expect(toHex(encodeFrame(request.encode(expected)))).toBe(toHex(fromHex(frame)))
    const [body = Buffer.alloc(0)] = createFrameSplitter(request.maxBytes).push(fromHex(frame))
    expect(request.decode(body)).toEqual(expected)
  })

  test.each(vectors.malformed)('malformed: $name', ({ body }) => {
    expect(isRefused(() => request.decode(fromHex(body)), 'PEER_MISBEHAVED')).toBe(true)
  })

  test('its limits, and those of what it carries, are those of docs/protocol.md', () => {
    expect(HEADS.id).toBe('/catalog/heads/1.0.0')
    expect([request.maxBytes, response.maxBytes]).toEqual([105, 1024 * 1024])
    expect([MAX_HEAD_BYTES, MAX_HEAD_VALUE_BYTES]).toEqual([1024 * 1024, 8 * 1024])
    expect([MAX_RELEASE_BYTES, MAX_MANIFEST_BYTES]).toEqual([65_535, 60_000])
  })
})
