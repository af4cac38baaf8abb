/**
 * Which answer may come next: every request has one last answer, and a Want may have a manifest before it; no more, whether
 * it is still wanted or not. docs/protocol.md, section Transfer
 */
import type { Answer, ManifestAnswer } from '../../wire/transfer-messages.ts'

/** What has been asked, and answered so far. */
export interface Asked {
  /** Of a chunk; undefined for Want. */
  readonly index: number | undefined
  manifest: ManifestAnswer | undefined
}

/** What is wrong with this answer now, or undefined. */
export function outOfTurn(
  asked: Asked,
  answer: Exclude<Answer, { type: 'hello' }>,
): string | undefined {
  if (answer.type === 'wait') return undefined
  if (answer.type === 'manifest') {
    const isDue = asked.index === undefined && asked.manifest === undefined
    return isDue ? undefined : 'a manifest nobody asked for'
  }
  if (answer.type !== 'chunk') return undefined
  const isDue = asked.index !== undefined || asked.manifest !== undefined
  return isDue && answer.index === (asked.index ?? 0) ? undefined : 'a chunk nobody asked for'
}

/** The manifest of an artifact of one chunk has no leaves: the chunk comes next. */
export function isFollowedByChunk(answer: ManifestAnswer): boolean {
  return answer.leaves.byteLength === 0
}
