/**
 * `x-catalog-upstream: never` on a request for a package, as HTTP's `only-if-cached` but with peers: the answer comes from
 * this machine and, for a tarball, from peers; no registry hears of the request. For packages that must not be taken from a
 * registry (`p2p:` in the Yarn plugin, docs/yarn.md). Web pages cannot send it: it is a header of ours, and no origin is
 * allowed to. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import type { Route } from './route.ts'

const HEADER = 'x-catalog-upstream'

/** Whether upstream must not be asked. @throws CatalogError INVALID_OPTIONS */
export function parseCacheOnly(headers: IncomingHttpHeaders, route: Route): boolean {
  const value = headers[HEADER]
  if (value === undefined) return false
  // A promise that this gateway does not understand, or cannot keep, is refused and not ignored.
  if (value !== 'never') throw refused(`${HEADER} can only be "never"`)
  if (route.route === 'packument' || route.route === 'tarball') return true
  throw refused(`${HEADER} is for GET and HEAD of metadata and tarballs`)
}

function refused(message: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', message, { status: 400 })
}
