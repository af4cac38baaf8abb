/**
 * A name key names a version, or a whole package, without telling it: SHA-256 over registry, name and version. Peers list its
 * prefix and are asked by it, so nobody who does not know the package already learns from it which one is meant. Pure.
 * docs/protocol.md, sections Records and Packuments
 */
import { hash } from 'node:crypto'

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
/** Another one, so that no key of a package is the key of a version. */
const PACKAGE_DOMAIN = 'catalog-p2p package 1'
const WITNESS_DOMAIN = 'catalog-p2p witness 1'

export function nameKeyOf({ registry, name, version }: PackageVersion): NameKey {
  return keyOf(DOMAIN, registry, name, version)
}

/** Names the metadata of a package: all of its versions. */
export function packageKeyOf({ registry, name }: Omit<PackageVersion, 'version'>): NameKey {
  return keyOf(PACKAGE_DOMAIN, registry, name)
}

/** Names what witnesses say of a package. */
export function witnessKeyOf({ registry, name }: Omit<PackageVersion, 'version'>): NameKey {
  return keyOf(WITNESS_DOMAIN, registry, name)
}

function keyOf(...parts: readonly string[]): NameKey {
  // None may hold a NUL: URLs, package names and versions never do, and the codec refuses those that would.
  return hash('sha256', parts.join('\0'), 'hex') as NameKey
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
