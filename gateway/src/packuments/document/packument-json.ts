/** A packument as it was parsed: nothing of it is known but that it is an object, and that its versions are one. Pure. */
import { isObject } from '../../is-object.ts'
import type { ClaimFields } from '../peers/version-claims.ts'

export interface Packument extends ClaimFields {
  [key: string]: unknown
  'dist-tags'?: Record<string, string>
  versions?: Record<string, Manifest>
  time?: Record<string, string>
}

export interface Manifest {
  [key: string]: unknown
  scripts?: Record<string, string>
  dist?: { tarball?: string; integrity?: unknown; shasum?: unknown; [key: string]: unknown }
}

/** @throws Error */
export function parsePackument(text: Uint8Array): Packument {
  const document: unknown = JSON.parse(
    Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString(),
  )
  if (!isObject(document)) throw new Error('not a JSON object')
  const { versions } = document
  if (versions !== undefined && !isObject(versions)) throw new Error('versions is not an object')
  return document
}
