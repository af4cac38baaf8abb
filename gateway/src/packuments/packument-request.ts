/** A question for a package's metadata and what answers it, as the parts of the packument service hand them on. */
import type { Credentials } from '../upstream/credentials.ts'
import type { Registry } from '../upstream/registries.ts'
import type { CachedDocument, PackumentKind } from './cache/cached-document.ts'
import type { PackumentForm } from './document/packument-document.ts'

export interface PackumentRequest {
  readonly name: string
  readonly kind: PackumentKind
  /** What the client sent. */
  readonly client: Credentials | undefined
  /** The variant that will be asked for; saves a pass if it has to be made. */
  readonly form?: PackumentForm
  /** Ask upstream even if the document is young. */
  readonly revalidate?: boolean
  /** What the caller is after, if it is one thing: a document without it is asked for again before it is an answer. */
  readonly wanted?: Wanted
  /** From the cache, however old, or not at all. */
  readonly upstream?: 'never' | undefined
  /** Another machine wants it: the registry itself is asked. */
  readonly isErrand?: boolean
  readonly signal: AbortSignal
}

export interface Wanted {
  /** A version, tag or file; the same `what` of a package is not asked for again and again when it does not exist. */
  readonly what: string
  /** Whether a document at hand has it. */
  isHere(): Promise<boolean>
}

export interface PackumentAnswer {
  readonly document: CachedDocument
  /** What peers have said since the registry gave `document`: versions that this one lacks are taken from it. */
  readonly beside?: CachedDocument | undefined
  /** fresh: upstream was not asked; fetched: it was; stale: it should have been, but failed, or is asked behind the answer. */
  readonly state: 'fresh' | 'fetched' | 'stale'
}

/** Who may see what: the fingerprints to look documents up by, and the credentials that go upstream. */
export interface Viewer {
  readonly credentials: Credentials | undefined
  /** The first one's documents are what upstream would say; the others' are better than nothing. */
  readonly owners: readonly string[]
}

export interface Question {
  readonly request: PackumentRequest
  readonly view: Viewer
  /** Whose package it is, asked or not. */
  readonly registry: Registry
}

/** Whether a document that is at hand has what is wanted, which may be all that there is. */
export async function hasWanted({ wanted }: PackumentRequest): Promise<boolean> {
  return wanted === undefined || (await wanted.isHere())
}

/** What was wanted, of whom and by whom; undefined when it was no one thing. */
export function missingKey({ request, view, registry }: Question): string | undefined {
  const { name, wanted } = request
  return wanted && [registry.url, name, wanted.what, ...view.owners].join('\n')
}
