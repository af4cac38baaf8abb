/**
 * What a `p2p:` range says: an exact version, and the sha512 of its archive. With these a package needs no metadata, so that
 * nobody can put another one in its place: no registry, no peer, no daemon. The same text is the locator. Pure.
 */
import { semverUtils } from '@yarnpkg/core'

export const PROTOCOL = 'p2p:'

export interface PeerRange {
  readonly version: string
  /** Subresource Integrity, sha512 alone. */
  readonly integrity: string
}

/** 64 bytes in the one way to write them in base64, so that a package has one locator. */
const SHA512 = /^sha512-[A-Za-z0-9+/]{85}[AQgw]==$/

/** undefined: it is no such range. */
export function parsePeerRange(range: string): PeerRange | undefined {
  if (!range.startsWith(PROTOCOL)) return undefined
  const [version = '', integrity = '', ...more] = range.slice(PROTOCOL.length).split('#')
  if (more.length > 0 || semverUtils.clean(version) !== version || !SHA512.test(integrity)) {
    return undefined
  }
  return { version, integrity }
}
