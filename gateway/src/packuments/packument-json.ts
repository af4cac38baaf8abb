/** A packument as it was parsed: nothing of it is known but that it is an object. Types only. */

import type { ClaimFields } from './peers/version-claims.ts'

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
