/**
 * Which answer may come next. Every request has one last answer; a Want may have a manifest before it, and a WantNamed has a
 * record before that; never more,
 * whether the request is still wanted or not. Pure: it judges the order of answers, not their contents.
 * docs/protocol.md, section Transfer
 */
import type { ArtifactRecord } from '../../content/record.ts'
import type { Answer, ManifestAnswer } from '../../wire/transfer-messages.ts'

/** An answer to one request: everything but the hello. */
export type RequestAnswer = Exclude<Answer, { type: 'hello' }>

/** What has been requested, and what of the answer has come. */
export interface RequestState {
  /** Of the chunk; undefined for a Want. */
  readonly index: number | undefined
  /** Whether a record comes before the manifest. */
  readonly recordComes: 'first' | 'maybe' | 'never'
  record: ArtifactRecord | undefined
  manifest: ManifestAnswer | undefined
}

/** What is wrong with this answer at this point, or undefined. */
export function sequenceViolation(state: RequestState, answer: RequestAnswer): string | undefined {
  if (answer.type === 'wait') return undefined
  if (answer.type === 'fetching') {
    return state.recordComes === 'maybe' ? undefined : 'news of a fetch nobody asked for'
  }
  if (answer.type === 'record') {
    const isDue =
      state.recordComes !== 'never' && state.record === undefined && state.manifest === undefined
    return isDue ? undefined : 'a record nobody asked for'
  }
  if (answer.type === 'manifest') {
    const hasRecord = state.recordComes !== 'first' || state.record !== undefined
    const isDue = hasRecord && state.index === undefined && state.manifest === undefined
    return isDue ? undefined : 'a manifest nobody asked for'
  }
  if (answer.type !== 'chunk') return undefined
  const isDue = state.index !== undefined || state.manifest !== undefined
  return isDue && answer.index === (state.index ?? 0) ? undefined : 'a chunk nobody asked for'
}

/** The manifest of an artifact of one chunk has no leaves: the chunk comes next. */
export function isFollowedByChunk(answer: ManifestAnswer): boolean {
  return answer.leaves.byteLength === 0
}
