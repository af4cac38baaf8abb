/**
 * A digest names an artifact: the sha512 of its .tgz bytes, spelled as npm's `integrity` spells it (Subresource Integrity,
 * https://www.w3.org/TR/SRI/). The canonical form is the SRI string itself, because lockfiles, packuments and npm's
 * `pacote-integrity` header carry it; bytes and hex are derived. Pure and synchronous; never another hash than sha512.
 */
import { createHash, hash } from 'node:crypto'
import { CatalogError } from '../errors.ts'

declare const digestBrand: unique symbol

/** `sha512-` and 88 characters of padded base64: one artifact's identity. */
export type Digest = string & { readonly [digestBrand]: true }

/** Bytes in a sha512. */
export const DIGEST_BYTES = 64

const CANONICAL = /^sha512-[A-Za-z0-9+/]{85}[AQgw]==$/

export function isDigest(text: string): text is Digest {
  return text.length === 95 && CANONICAL.test(text)
}

/**
 * The sha512 of an SRI text, which may list several hashes and options.
 * @throws CatalogError INVALID_DIGEST when it names no well-formed sha512
 */
export function parseDigest(sri: string): Digest {
  const found = findDigest(sri)
  if (found === undefined) {
    throw new CatalogError('INVALID_DIGEST', `not a sha512 integrity: ${sri.slice(0, 120)}`)
  }
  return found
}

/** Like parseDigest, but undefined for an SRI text with no sha512 (old packages have only sha1). */
export function findDigest(sri: string): Digest | undefined {
  if (isDigest(sri)) return sri
  for (const part of sri.slice(0, 4096).split(/\s+/)) {
    const bare = part.split('?', 1)[0] ?? ''
    if (isDigest(bare)) return bare
  }
  return undefined
}

/** @throws CatalogError INVALID_DIGEST unless `bytes` are exactly 64 */
export function digestFromBytes(bytes: Uint8Array): Digest {
  if (bytes.byteLength !== DIGEST_BYTES) {
    throw new CatalogError('INVALID_DIGEST', `a digest has 64 bytes, got ${bytes.byteLength}`)
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return `sha512-${view.toString('base64')}` as Digest
}

export function digestToBytes(digest: Digest): Buffer {
  return Buffer.from(digest.slice(7), 'base64')
}

/** 128 lower-case hex characters: the spelling for file names. */
export function digestToHex(digest: Digest): string {
  return Buffer.from(digest.slice(7), 'base64').toString('hex')
}

/** The digest of bytes at hand. Use `createDigester` for streams. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha512-${hash('sha512', bytes, 'base64')}` as Digest
}

/** Incremental digest of a stream. */
export function createDigester(): { update(bytes: Uint8Array): void; digest(): Digest } {
  const sha512 = createHash('sha512')
  return {
    update: (bytes) => void sha512.update(bytes),
    digest: () => `sha512-${sha512.digest('base64')}` as Digest,
  }
}
