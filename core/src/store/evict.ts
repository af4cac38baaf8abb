/**
 * Which artifacts are evicted when space is needed: least recently used first, as few as suffice, and none at all when even
 * all of them would not make enough space. Pure; never sees entries that must stay: the caller offers none.
 */
import type { Digest } from '../content/digest.ts'

export interface Evictable {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export interface SpaceNeeded {
  readonly quotaBytes: number
  /** Taken now, evictable or not. */
  readonly usedBytes: number
  readonly incomingBytes: number
}

/**
 * The victims, or undefined when the space cannot be made.
 * @param candidates least recently used first; read only as far as needed
 */
export function chooseVictims(
  candidates: Iterable<Evictable>,
  needed: SpaceNeeded,
): Digest[] | undefined {
  const { quotaBytes, usedBytes, incomingBytes } = needed
  if (incomingBytes > quotaBytes) return undefined
  let excess = usedBytes + incomingBytes - quotaBytes
  const victims: Digest[] = []
  if (excess <= 0) return victims
  for (const candidate of candidates) {
    victims.push(candidate.digest)
    excess -= candidate.size
    if (excess <= 0) return victims
  }
  return undefined
}
