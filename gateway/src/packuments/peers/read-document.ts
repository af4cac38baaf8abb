/** A peer's document, or a registry's own, read without believing a word of it. Pure; runs in packument-worker.ts only. */
import { gunzipSync } from 'node:zlib'
import { isObject } from '../../is-object.ts'
import { DOCUMENT_BOUNDS, exceededBound } from './json-bounds.ts'
import { signedManifest, type KeysById, type SignedManifest } from './signed-manifest.ts'

type Json = Record<string, unknown>

const MAX_TAGS = 1_000
const MAX_TAG_CHARS = 256

export interface PeerDocument {
  /** Empty: this node itself. */
  readonly peer: string
  /** JSON, gzipped. */
  readonly body: Uint8Array
}

export interface Expected {
  readonly registry: string
  readonly name: string
  /** Unpacked, at most. */
  readonly maxBytes: number
  /** It is a peer's: what is beyond the bounds of what goes from peer to peer is not read. */
  readonly isStrict: boolean
}

/** One document, of which nothing has been verified. */
export interface ReadDocument {
  readonly peer: string
  readonly versions: readonly SignedManifest[]
  readonly tags: ReadonlyMap<string, string>
  readonly times: ReadonlyMap<string, string>
}

/** @throws Error that says what no honest peer would have sent */
export function readDocument(
  expected: Expected,
  keys: KeysById,
  { peer, body }: PeerDocument,
): ReadDocument {
  const { name, maxBytes, isStrict } = expected
  const text = gunzipSync(body, { maxOutputLength: maxBytes })
  const exceeded = isStrict ? exceededBound(text, DOCUMENT_BOUNDS) : undefined
  if (exceeded !== undefined) throw new Error(`its document has ${exceeded}`)
  const document: unknown = JSON.parse(text.toString())
  if (!isObject(document)) throw new Error('its document is not a JSON object')
  if (document.name !== name) throw new Error('its document is of another package')
  const entries = isObject(document.versions) ? Object.entries(document.versions) : []
  const versions = entries.flatMap((each) => signedManifest(expected, keys, each) ?? [])
  return { peer, versions, tags: tagsOf(document['dist-tags']), times: timesOf(document) }
}

function tagsOf(tags: unknown): Map<string, string> {
  const all = isObject(tags) ? Object.entries(tags).slice(0, MAX_TAGS) : []
  return new Map(
    all.flatMap(([tag, version]) =>
      typeof version === 'string' && tag.length <= MAX_TAG_CHARS ? [[tag, version] as const] : [],
    ),
  )
}

function timesOf({ time, modified }: Json): Map<string, string> {
  const given = { ...(isObject(time) ? time : {}), ...(modified !== undefined && { modified }) }
  return new Map(
    Object.entries(given).flatMap(([what, value]) =>
      typeof value === 'string' && !Number.isNaN(Date.parse(value))
        ? [[what, new Date(value).toISOString()] as const]
        : [],
    ),
  )
}
