/**
 * What a witness has seen of a package at its registry, as text that is carried whole: tags, each version with its digest and
 * time, and what is gone. Only its hash is signed (witness-statement.ts). What comes from a peer is bounded and every field
 * checked. Pure and slow: it runs in packument-worker.ts only, and so imports nothing of core.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { isObject } from '../../is-object.ts'
import { isVersion } from '../../http/route.ts'

export interface WitnessedList {
  readonly tags: ReadonlyMap<string, string>
  /** Integrity as the registry writes it, null where it names none; Unix time in milliseconds, null where nobody says. */
  readonly versions: ReadonlyMap<string, readonly [string | null, number | null]>
  /** Versions that the registry has removed, or that are known malware, with why. */
  readonly gone: ReadonlyMap<string, string>
}

/** Bytes of a list as it travels. */
export const MAX_LIST_BYTES = 1024 * 1024
const MAX_UNPACKED_BYTES = 8 * 1024 * 1024
const MAX_ENTRIES = 20_000
const MAX_TAGS = 1_000
const MAX_TEXT = 256
/** `removed`, or the id of a record of malware. */
const REASON = /^[A-Za-z0-9-]{1,64}$/

type Json = Record<string, unknown>

/** Of a packument. undefined: it is too large to be witnessed. */
export function packList(
  document: Json,
  gone: Readonly<Record<string, string>>,
): Buffer | undefined {
  const times = isObject(document.time) ? document.time : {}
  const versions = entriesOf(document.versions).flatMap(([version, manifest]) => {
    if (!isVersion(version)) return []
    const dist = isObject(manifest) && isObject(manifest.dist) ? manifest.dist : {}
    return [[version, [textOf(dist.integrity), instantOf(times[version])]] as const]
  })
  const tags = entriesOf(document['dist-tags']).filter(
    ([tag, version]) => isText(tag) && isText(version),
  )
  const isSmall = versions.length <= MAX_ENTRIES && tags.length <= MAX_TAGS
  const list = { tags: Object.fromEntries(tags), versions: Object.fromEntries(versions), gone }
  const packed = isSmall ? gzipSync(JSON.stringify(list)) : undefined
  return packed !== undefined && packed.byteLength <= MAX_LIST_BYTES ? packed : undefined
}

/** @throws Error for anything that `packList` would not have made */
export function readList(bytes: Uint8Array): WitnessedList {
  const text = gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }).toString()
  const list: unknown = JSON.parse(text)
  if (!isObject(list)) throw new Error('a list of a witness is not an object')
  return {
    tags: mapOf(list.tags, MAX_TAGS, (value) => (isText(value) ? value : undefined)),
    versions: mapOf(list.versions, MAX_ENTRIES, versionFacts),
    gone: mapOf(list.gone, MAX_ENTRIES, (value) =>
      typeof value === 'string' && REASON.test(value) ? value : undefined,
    ),
  }
}

function versionFacts(value: unknown): readonly [string | null, number | null] | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const [integrity, time] = value as readonly unknown[]
  if (integrity !== null && !isText(integrity)) return undefined
  if (time !== null && !isInstant(time)) return undefined
  return [integrity, time]
}

function mapOf<T>(
  given: unknown,
  max: number,
  read: (value: unknown) => T | undefined,
): Map<string, T> {
  if (!isObject(given)) throw new Error('a list of a witness lacks a part')
  const entries = Object.entries(given)
  if (entries.length > max) throw new Error(`a list of a witness has more than ${max} entries`)
  return new Map(
    entries.map(([key, value]) => {
      const fact = read(value)
      if (!isText(key) || fact === undefined) throw new Error('a list of a witness makes no sense')
      return [key, fact]
    }),
  )
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}

function instantOf(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN
  return isInstant(ms) ? ms : null
}

/** That a Date can hold (ECMA-262, 21.4.1.1). */
function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 8.64e15
}

function textOf(value: unknown): string | null {
  return isText(value) ? value : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT
}
