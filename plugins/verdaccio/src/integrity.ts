/**
 * The hash that metadata names for a tarball, and the check of bytes against it. As in npm the strongest algorithm named counts;
 * sha1 only where there is nothing better (old packages). Pure.
 */
import { createHash } from 'node:crypto'

/** Strongest first. */
const ALGORITHMS = ['sha512', 'sha384', 'sha256', 'sha1'] as const
const BYTES = { sha512: 64, sha384: 48, sha256: 32, sha1: 20 } as const
const MAX_SRI_LENGTH = 4096

type Algorithm = (typeof ALGORITHMS)[number]

export interface Expected {
  readonly algorithm: Algorithm
  /** Base64; one of them must match. */
  readonly hashes: readonly string[]
}

export interface Checker {
  update(bytes: Uint8Array): void
  /** Call it once, after the last byte. */
  matches(): boolean
}

/** From `dist.integrity` and `dist.shasum`, of any type; undefined when neither names a hash. */
export function expectedOf(integrity: unknown, shasum: unknown): Expected | undefined {
  const named = typeof integrity === 'string' ? hashesIn(integrity) : []
  for (const algorithm of ALGORITHMS) {
    const hashes = named.filter((each) => each.algorithm === algorithm).map((each) => each.hash)
    if (hashes.length > 0) return { algorithm, hashes }
  }
  if (typeof shasum !== 'string' || !/^[0-9a-f]{40}$/i.test(shasum)) return undefined
  return { algorithm: 'sha1', hashes: [Buffer.from(shasum, 'hex').toString('base64')] }
}

/** As `integrity`, the digest that peers know it by; undefined unless exactly one sha512 is named. */
export function sha512Of({ algorithm, hashes }: Expected): string | undefined {
  const [only] = hashes
  return algorithm === 'sha512' && hashes.length === 1 && only !== undefined
    ? `sha512-${only}`
    : undefined
}

export function createChecker({ algorithm, hashes }: Expected): Checker {
  const hash = createHash(algorithm)
  return {
    update: (bytes) => void hash.update(bytes),
    matches: () => hashes.includes(hash.digest('base64')),
  }
}

/** For bytes that arrive before their expected hash is known. */
export function createDigestRecorder(): {
  update(bytes: Uint8Array): void
  matches(expected: Expected): boolean
} {
  const hashes = ALGORITHMS.map((algorithm) => ({ algorithm, hash: createHash(algorithm) }))
  return {
    update(bytes) {
      for (const { hash } of hashes) hash.update(bytes)
    },
    matches(expected) {
      const seen = hashes.find((each) => each.algorithm === expected.algorithm)
      return seen !== undefined && expected.hashes.includes(seen.hash.copy().digest('base64'))
    },
  }
}

function hashesIn(sri: string): { algorithm: Algorithm; hash: string }[] {
  return sri
    .slice(0, MAX_SRI_LENGTH)
    .split(/\s+/)
    .flatMap((part) => {
      const [bare = ''] = part.split('?', 1)
      const dash = bare.indexOf('-')
      const algorithm = ALGORITHMS.find((each) => each === bare.slice(0, dash))
      const hash = bare.slice(dash + 1)
      // Canonical base64 only, as the comparison above produces it.
      const isWellFormed =
        algorithm !== undefined &&
        Buffer.from(hash, 'base64').byteLength === BYTES[algorithm] &&
        Buffer.from(hash, 'base64').toString('base64') === hash
      return isWellFormed ? [{ algorithm, hash }] : []
    })
}
