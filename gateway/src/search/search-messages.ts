/**
 * `/catalog/search/1.0.0` as bytes, and back, within its bounds: a text, and the packages that the answering node knows by it. Pure.
 * Says nothing of private packages, and proves nothing. docs/protocol.md, section Search
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  type MessageCodec,
  type RequestProtocol,
} from '@catalog-p2p/core'
import { isPackageName, isVersion } from '../http/route.ts'
import { SUMMARY_LIMITS } from '../packuments/document/package-summary.ts'
import type { FoundPackage } from './merge.ts'
import { MAX_TEXT_BYTES } from './search-words.ts'

/** In one answer. */
export const MAX_RESULTS = 50
/** From opening the stream to its end. */
const TIMEOUT_MS = 1_000
const MAX_NAME_BYTES = 214
const MAX_VERSION_BYTES = 256
const MAX_REQUEST_BYTES = 4 + MAX_TEXT_BYTES
/** 50 of the longest results fit. */
const MAX_RESPONSE_BYTES = 104 * 1024
const TYPES = { search: 1, results: 2 } as const
// C0, DEL and C1: honest nodes leave them out. Nothing that newer versions of Unicode may change.
// eslint-disable-next-line no-control-regex -- these are what it looks for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/

export interface SearchRequest {
  /** Words, 1 to 200 bytes of UTF-8. */
  readonly text: string
  /** Results wanted, 1 to 50. */
  readonly limit: number
}

const request: MessageCodec<SearchRequest> = {
  maxBytes: MAX_REQUEST_BYTES,
  encode: ({ text, limit }) => new FieldWriter().u8(TYPES.search).u8(limit).text(text).toBytes(),
  decode(body) {
    const reader = new FieldReader(body)
    expectType(reader, TYPES.search)
    const limit = reader.u8()
    if (limit === 0 || limit > MAX_RESULTS) throw misbehaved(`${limit} results asked for`)
    const text = plain(reader, MAX_TEXT_BYTES)
    if (text === '') throw misbehaved('a search for nothing')
    reader.end()
    return { text, limit }
  },
}

const response: MessageCodec<readonly FoundPackage[]> = {
  maxBytes: MAX_RESPONSE_BYTES,
  encode(found) {
    const writer = new FieldWriter().u8(TYPES.results).u8(found.length)
    for (const each of found) writeFound(writer, each)
    return writer.toBytes()
  },
  decode(body) {
    const reader = new FieldReader(body)
    expectType(reader, TYPES.results)
    const count = bounded(reader.u8(), MAX_RESULTS, 'results')
    const found: FoundPackage[] = []
    for (let i = 0; i < count; i += 1) found.push(readFound(reader))
    reader.end()
    return found
  },
}

export const SEARCH_PROTOCOL: RequestProtocol<SearchRequest, readonly FoundPackage[]> = {
  id: '/catalog/search/1.0.0',
  timeoutMs: TIMEOUT_MS,
  request,
  response,
}

function writeFound(writer: FieldWriter, found: FoundPackage): void {
  const { name, version, description, keywords, publishedAtMs } = found
  writer.text(name).text(version).text(description).u8(keywords.length)
  for (const keyword of keywords) writer.text(keyword)
  writer.u64(publishedAtMs ?? 0)
}

function readFound(reader: FieldReader): FoundPackage {
  const name = reader.text(MAX_NAME_BYTES)
  if (!isPackageName(name)) throw misbehaved('a name that no package has')
  const version = reader.text(MAX_VERSION_BYTES)
  if (!isVersion(version)) throw misbehaved('a version that is none')
  const description = plain(reader, SUMMARY_LIMITS.description)
  const count = bounded(reader.u8(), SUMMARY_LIMITS.keywords, 'keywords')
  const keywords: string[] = []
  for (let i = 0; i < count; i += 1) keywords.push(plain(reader, SUMMARY_LIMITS.keyword))
  const ms = reader.u64()
  if (Number.isNaN(new Date(ms).getTime())) throw misbehaved('a date that is none')
  return { name, version, description, keywords, publishedAtMs: ms === 0 ? undefined : ms }
}

function plain(reader: FieldReader, maxBytes: number): string {
  const text = reader.text(maxBytes)
  if (CONTROLS.test(text)) throw misbehaved('control characters')
  return text
}

function expectType(reader: FieldReader, wanted: number): void {
  const type = reader.u8()
  if (type !== wanted) throw misbehaved(`message of unknown type ${type}`)
}

function bounded(count: number, max: number, what: string): number {
  if (count > max) throw misbehaved(`${count} ${what}, ${max} allowed`)
  return count
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `search: ${what}`)
}
