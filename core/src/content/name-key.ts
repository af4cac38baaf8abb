/**
 * A name key names a version without telling it: SHA-256 over registry, name and version. Peers list its prefix and are asked
 * by it, so nobody who does not know the package already learns from it which one is meant. Pure. docs/protocol.md, section Records
 */
import { createHash } from 'node:crypto'

declare const nameKeyBrand: unique symbol

/** 64 lower-case hex characters. */
export type NameKey = string & { readonly [nameKeyBrand]: true }

export const NAME_KEY_BYTES = 32

export interface PackageVersion {
  /** The registry's URL, with a trailing slash. */
  readonly registry: string
  readonly name: string
  readonly version: string
}

const DOMAIN = 'catalog-p2p name 1'

export function nameKeyOf({ registry, name, version }: PackageVersion): NameKey {
  // None of the three may hold a NUL: URLs, package names and versions never do, and the codec refuses those that would.
  const text = [DOMAIN, registry, name, version].join('\0')
  return createHash('sha256').update(text).digest('hex') as NameKey
}

export function nameKeyToBytes(key: NameKey): Buffer {
  return Buffer.from(key, 'hex')
}

/** @param bytes 32 of them */
export function nameKeyFromBytes(bytes: Uint8Array): NameKey {
  if (bytes.byteLength !== NAME_KEY_BYTES) {
    throw new RangeError(`a name key has ${NAME_KEY_BYTES} bytes, got ${bytes.byteLength}`)
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as NameKey
}
