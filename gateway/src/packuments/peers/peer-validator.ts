/**
 * What tells a peer which documents are at hand: the digests of those that a document from peers was made of, as they came, kept
 * where a registry's `etag` is. Also names the keys that they were verified with: under others the same documents may say
 * something else. Knows nothing of the network.
 */
import { createHash } from 'node:crypto'
import type { TrustedKey } from '../../keys/trusted-keys.ts'

const DIGEST = /^[0-9a-f]{64}$/

/** @param bodies JSON, gzipped, as peers sent them */
export function validatorOf(keys: readonly TrustedKey[], bodies: readonly Uint8Array[]): string {
  const digests = new Set(bodies.map((body) => sha256(body).toString('hex')))
  return [tagOf(keys), ...digests].join(' ')
}

/** The digests, to be sent with a question; none of a validator of other keys, or of another kind. */
export function knownOf(validator: string | undefined, keys: readonly TrustedKey[]): Buffer[] {
  const [tag, ...digests] = validator?.split(' ') ?? []
  if (tag !== tagOf(keys)) return []
  return digests.filter((each) => DIGEST.test(each)).map((each) => Buffer.from(each, 'hex'))
}

/** Whether the body's digest is one of these. */
export function isAmong(known: readonly Uint8Array[], body: Uint8Array): boolean {
  const digest = sha256(body)
  return known.some((each) => digest.equals(each))
}

function tagOf(keys: readonly TrustedKey[]): string {
  const all = keys.map(({ keyId, spki }) => `${keyId} ${Buffer.from(spki).toString('base64')}`)
  return sha256(all.sort().join('\n')).toString('hex')
}

function sha256(data: Uint8Array | string): Buffer {
  return createHash('sha256').update(data).digest()
}
