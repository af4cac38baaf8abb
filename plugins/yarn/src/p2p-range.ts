/**
 * What a `p2p:` range says: an exact version, and which bytes its archive is, by their sha512 or as an Asset ID. With these a package
 * needs no metadata, so that nobody can put another one in its place: no registry, no peer, no daemon. The same text is the
 * locator. Pure.
 */
import { semverUtils } from '@yarnpkg/core'

export const PROTOCOL = 'p2p:'

/** `p2p:1.2.3#sha512-…` */
export interface HashRange {
  readonly version: string
  /** Subresource Integrity, sha512 alone. */
  readonly integrity: string
}

/** `p2p:catalog:name@1.2.3:…` */
export interface AssetRange {
  readonly version: string
  /** The package that the Asset ID is of. */
  readonly name: string
  /** Of the Merkle tree over the archive, hex. */
  readonly root: string
}

export type PeerRange = HashRange | AssetRange

/** 64 bytes in the one way to write them in base64, so that a package has one locator. */
const SHA512 = /^sha512-[A-Za-z0-9+/]{85}[AQgw]==$/

const ASSET = /^catalog:((?:@[^@/:#]+\/)?[^@/:#]+)@([^@:#]+):([0-9a-f]{64})$/

/** undefined: it is no such range. */
export function parsePeerRange(range: string): PeerRange | undefined {
  if (!range.startsWith(PROTOCOL)) return undefined
  const rest = range.slice(PROTOCOL.length)
  const [whole, name = '', numbered = '', root = ''] = ASSET.exec(rest) ?? []
  if (whole !== undefined) {
    return semverUtils.clean(numbered) === numbered ? { version: numbered, name, root } : undefined
  }
  const [version = '', integrity = '', ...more] = rest.split('#')
  if (more.length > 0 || semverUtils.clean(version) !== version || !SHA512.test(integrity)) {
    return undefined
  }
  return { version, integrity }
}
