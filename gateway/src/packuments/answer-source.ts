/**
 * Whose word an answer of metadata is, as `x-catalog-metadata` and `catalog status` say it: the registry's, current or kept from
 * when it could be asked, or that of peers, with a quorum of witnesses behind it or not. Counts per run; decides nothing.
 */
import type { CachedDocument } from './cache/cached-document.ts'
import { MAX_TAG_AGE_MS } from './witness/quorum.ts'

/**
 * `kept`: the registry's own, older than it would be if the registry could be asked. `member`: the registry's, as a machine of our
 * certified swarm says that has asked it.
 */
export type MetadataSource = 'registry' | 'member' | 'kept' | 'verified' | 'peer'

export interface MetadataSources {
  readonly answers: Readonly<Record<MetadataSource, number>>
  /** Age of the oldest document that was served this run, milliseconds; null: none was. */
  readonly oldestMs: number | null
}

export interface AnsweredDocument {
  readonly document: Pick<
    CachedDocument,
    'confirmedAtMs' | 'peerFetchedAtMs' | 'witness' | 'member'
  >
  /** Of peers, where versions of theirs were added to the registry's. */
  readonly beside?: Pick<CachedDocument, 'witness'> | undefined
  /** Younger than it may be, or confirmed just now. */
  readonly isCurrent: boolean
}

export interface DocumentSource {
  readonly source: MetadataSource
  /** Since the registry gave or confirmed it, as far as is known. */
  readonly ageMs: number
}

export function sourceOf(
  { document, beside, isCurrent }: AnsweredDocument,
  nowMs: number,
): DocumentSource {
  const { confirmedAtMs, peerFetchedAtMs } = document
  const ageMs = Math.max(0, nowMs - (peerFetchedAtMs ?? confirmedAtMs))
  if (peerFetchedAtMs !== undefined || beside !== undefined) {
    const seenAtMs = verifiedAt(beside ?? document, nowMs)
    if (seenAtMs === undefined) return { source: 'peer', ageMs }
    return { source: 'verified', ageMs: Math.max(0, nowMs - seenAtMs) }
  }
  if (!isCurrent) return { source: 'kept', ageMs }
  return { source: document.member === undefined ? 'registry' : 'member', ageMs }
}

/** When witnesses have seen its tags, if that counts still; Unix time, milliseconds. */
function verifiedAt(
  { witness }: Pick<CachedDocument, 'witness'>,
  nowMs: number,
): number | undefined {
  const seenAtMs = witness?.tagsSeenAtMs
  return seenAtMs !== undefined && nowMs - seenAtMs <= MAX_TAG_AGE_MS ? seenAtMs : undefined
}

export class SourceCounts {
  readonly #answers = { registry: 0, member: 0, kept: 0, verified: 0, peer: 0 }
  #oldestMs: number | null = null

  note({ source, ageMs }: DocumentSource): void {
    this.#answers[source] += 1
    this.#oldestMs = Math.max(this.#oldestMs ?? 0, Math.floor(ageMs))
  }

  snapshot(): MetadataSources {
    return { answers: { ...this.#answers }, oldestMs: this.#oldestMs }
  }
}
