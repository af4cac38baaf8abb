/**
 * Metadata between machines that the root of their private swarm has certified: asked for by registry, name and form, answered with
 * the registry's own document, or with the word that the one at hand is still it. The codec believes nothing and reads no
 * document. docs/protocol.md, section Metadata of a fleet
 */
import { CatalogError, FieldReader, FieldWriter, type RequestProtocol } from '@catalog-p2p/core'
import type { PackumentKind } from '../cache/cached-document.ts'

export interface MemberRequest {
  readonly registry: string
  readonly name: string
  readonly kind: PackumentKind
  /** Names the text of the document at hand, as the cache does; empty: there is none. */
  readonly known: string
}

export type MemberResponse =
  | {
      readonly status: 'document'
      /** A full one may be given for an abbreviated one. */
      readonly kind: PackumentKind
      /** For how long it may be used without asking again, milliseconds. */
      readonly lifetimeMs: number
      /** JSON, gzipped. */
      readonly document: Uint8Array
    }
  /** The document that the request names is the current one. */
  | { readonly status: 'unchanged'; readonly lifetimeMs: number }
  /** It does nothing for us; that document is not to be had there; it could not get it. */
  | { readonly status: 'refused' }
  | { readonly status: 'none' }
  | { readonly status: 'failed' }

export const MAX_MEMBER_DOCUMENT_BYTES = 16 * 1024 * 1024
const MAX_REGISTRY_BYTES = 2_048
const MAX_NAME_BYTES = 512
const MAX_KNOWN_BYTES = 64
const HEAD_BYTES = 6
const LENGTH_BYTES = 2
/** Longer ones are of no use to anybody. */
const MAX_LIFETIME_MS = 0xffff_ffff
/** The asking side goes on without it long before. */
const TIMEOUT_MS = 60_000
const BEAT_MS = 100
export const MAX_AT_ONCE = 32

const KINDS: readonly PackumentKind[] = ['abbreviated', 'full']
/** Zero says that the answer is being made. */
const FIRST_STATUS = 1
const STATUSES = ['document', 'unchanged', 'refused', 'none', 'failed'] as const

export const MEMBER_METADATA: RequestProtocol<MemberRequest, MemberResponse> = {
  id: '/catalog/fleet-metadata/1.0.0',
  timeoutMs: TIMEOUT_MS,
  beatMs: BEAT_MS,
  maxAtOnce: MAX_AT_ONCE,
  request: {
    maxBytes: 1 + 3 * LENGTH_BYTES + MAX_REGISTRY_BYTES + MAX_NAME_BYTES + MAX_KNOWN_BYTES,
    encode: ({ registry, name, kind, known }) =>
      new FieldWriter().u8(KINDS.indexOf(kind)).text(registry).text(name).text(known).toBytes(),
    decode(body) {
      const reader = new FieldReader(body)
      const kind = oneOf(KINDS, reader.u8())
      const registry = reader.text(MAX_REGISTRY_BYTES)
      const name = reader.text(MAX_NAME_BYTES)
      const known = reader.text(MAX_KNOWN_BYTES)
      reader.end()
      return { registry, name, kind, known }
    },
  },
  response: {
    maxBytes: HEAD_BYTES + MAX_MEMBER_DOCUMENT_BYTES,
    encode(response) {
      const writer = new FieldWriter().u8(FIRST_STATUS + STATUSES.indexOf(response.status))
      if (!('lifetimeMs' in response)) return writer.toBytes()
      writer.u32(Math.min(MAX_LIFETIME_MS, Math.max(0, Math.floor(response.lifetimeMs))))
      if (response.status === 'unchanged') return writer.toBytes()
      return writer.u8(KINDS.indexOf(response.kind)).bytes(response.document).toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const status = oneOf(STATUSES, reader.u8() - FIRST_STATUS)
      if (status === 'document') {
        const lifetimeMs = reader.u32()
        const kind = oneOf(KINDS, reader.u8())
        return { status, lifetimeMs, kind, document: reader.rest() }
      }
      const response = status === 'unchanged' ? { status, lifetimeMs: reader.u32() } : { status }
      reader.end()
      return response
    },
  },
}

function oneOf<Value>(values: readonly Value[], index: number): Value {
  const value = values[index]
  if (value !== undefined) return value
  throw new CatalogError('PEER_MISBEHAVED', `malformed message: no ${index} among ${values.length}`)
}
