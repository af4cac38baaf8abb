/**
 * The hashes that a registry names for a version, read as npm reads them: the strongest algorithm counts, and any one of its
 * hashes. One sha512 is a digest, which peers can be asked for; anything else is checked here. Pure.
 */
import { fromHex, parse, checkData } from 'ssri'
import { findDigest, type Digest } from '@catalog-p2p/core'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'

export interface VersionHashes {
  /** undefined where there is not exactly one sha512. */
  readonly digest: Digest | undefined
  /** Subresource Integrity of one algorithm; undefined with a digest, and where the registry names no hash. */
  readonly hashes: string | undefined
}

export function hashesOf({
  integrity,
  shasum,
}: Pick<VersionFacts, 'integrity' | 'shasum'>): VersionHashes {
  const named = parse(integrity)
  if (named !== null && Object.keys(named).length > 0) {
    const strongest = named[named.pickAlgorithm()] ?? []
    const hashes = [...new Set(strongest.map((each) => `${each.algorithm}-${each.digest}`))]
    const digest = hashes.length === 1 ? findDigest(hashes[0] ?? '') : undefined
    return digest === undefined
      ? { digest, hashes: hashes.join(' ') }
      : { digest, hashes: undefined }
  }
  const isSha1 = /^[0-9a-f]{40}$/i.test(shasum)
  return {
    digest: undefined,
    hashes: isSha1 ? String(fromHex(shasum.toLowerCase(), 'sha1')) : undefined,
  }
}

export function matchesHashes(bytes: Uint8Array, hashes: string): boolean {
  return checkData(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), hashes) !== false
}

/** Whether `integrity`, which may name several hashes, names this one. */
export function namesDigest(integrity: string, digest: Digest): boolean {
  return integrity.split(/\s+/).some((part) => (part.split('?', 1)[0] ?? '') === digest)
}
