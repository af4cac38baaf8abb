/**
 * Where a shared package is to be had: at the gateway of every machine, under its hash. The rest of the path is for people and for
 * the guard; the hash alone decides which bytes it is. Pure.
 */
import { findDigest, type Digest } from '@catalog-p2p/core'
import type { SharedRoute } from '../http/route.ts'
import { tarballFile } from '../packuments/client-policy.ts'

export interface SharedVersion {
  readonly digest: Digest
  readonly name: string
  readonly version: string
}

/** Path below the gateway, without a slash in front. */
export function sharePath({ digest, name, version }: SharedVersion): string {
  const hash = Buffer.from(digest.slice('sha512-'.length), 'base64').toString('base64url')
  return `-/catalog/share/${hash}/${name}/-/${encodeURIComponent(tarballFile(name, version))}`
}

/** Of such a path. The route has checked that it is one of 64 bytes. */
export function digestOfRoute({ hash }: Pick<SharedRoute, 'hash'>): Digest {
  const digest = findDigest(`sha512-${Buffer.from(hash, 'base64url').toString('base64')}`)
  if (digest === undefined) throw new Error(`a route without a hash: ${hash}`)
  return digest
}
