/**
 * The key of a private swarm: 32 random bytes that every member knows and nobody else. Its text is one line, with a checksum
 * so that a key that was cut or mistyped says so instead of finding nobody. It is a secret: it goes into no log and no error.
 */
import { createHash, randomBytes } from 'node:crypto'
import { CatalogError } from '../errors.ts'

const SWARM_KEY_BYTES = 32
export const SWARM_KEY_PREFIX = 'catalog-swarm-1:'

const CHECK_BYTES = 4

/** Exactly 32 bytes. */
export type SwarmKey = Uint8Array

export function createSwarmKey(): SwarmKey {
  return randomBytes(SWARM_KEY_BYTES)
}

/** `catalog-swarm-1:` and base64url. */
export function swarmKeyToText(key: SwarmKey): string {
  return SWARM_KEY_PREFIX + Buffer.concat([key, checkOf(key)]).toString('base64url')
}

/** @throws CatalogError INVALID_OPTIONS, which does not repeat the text */
export function parseSwarmKey(text: string): SwarmKey {
  const line = text.trim()
  if (!line.startsWith(SWARM_KEY_PREFIX)) throw invalid(`it begins with ${SWARM_KEY_PREFIX}`)
  const body = line.slice(SWARM_KEY_PREFIX.length)
  const bytes = Buffer.from(body, 'base64url')
  // Node skips what is not base64url; a key that was written another way is not this key.
  const isExact = bytes.toString('base64url') === body
  if (!isExact || bytes.byteLength !== SWARM_KEY_BYTES + CHECK_BYTES) {
    throw invalid('this one is not whole')
  }
  const key = bytes.subarray(0, SWARM_KEY_BYTES)
  if (!checkOf(key).equals(bytes.subarray(SWARM_KEY_BYTES))) throw invalid('this one is mistyped')
  return Uint8Array.from(key)
}

function checkOf(key: SwarmKey): Buffer {
  return createHash('sha256').update(SWARM_KEY_PREFIX).update(key).digest().subarray(0, CHECK_BYTES)
}

function invalid(problem: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `not a swarm key: ${problem}`, {
    hint: 'copy the whole line once more from where the swarm was made, or ask a member for an invite',
  })
}
