/**
 * One request of a client for a package: what was asked for, where it came from, and when its moments were. Written on the hot
 * path by plain assignments; whoever shows it asks first who may see its name. Milliseconds are those of performance.now().
 */
import type { ArtifactSource, DownloadCourse } from '@catalog-p2p/core'
import type { Install } from './install-log.ts'

/** `unchanged`: the client had it already. `gone`: the client went before the answer was complete. */
export type Outcome = 'running' | 'done' | 'unchanged' | 'denied' | 'failed' | 'gone'

export interface VisitRequest {
  readonly kind: 'tarball' | 'metadata'
  readonly name: string
  /** Or the file's name, where that does not tell it; undefined for metadata. */
  readonly version: string | undefined
}

export interface Visit extends VisitRequest {
  /** One more than that of the visit before it. */
  readonly number: number
  readonly install: Install
  readonly startedMs: number
  /** Which bytes it is was known, and that this client may have them. */
  locatedMs: number | undefined
  /** The first bytes (of a small artifact all of them) were there. */
  firstMs: number | undefined
  endMs: number | undefined
  bytes: number
  /** Of a tarball: what was fetched ahead of the client counts as what it came from then. */
  source: ArtifactSource | undefined
  /** It was fetched before the client asked for it, because of what it had said or is known to ask. */
  isAhead: boolean
  /** It was proven to be; undefined: not found out. */
  isPublic: boolean | undefined
  /** How its download went; undefined: there was none for this request. */
  course: DownloadCourse | undefined
  outcome: Outcome
  /** Of the error. */
  code: string | undefined
}

/** @param isPublic undefined: it was not found out for this answer */
export function noteFirstBytes(visit: Visit, isPublic: boolean | undefined): void {
  visit.firstMs = performance.now()
  visit.isPublic = isPublic
}
