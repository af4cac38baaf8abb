/**
 * `x-catalog-upstream: never` on a request for a package: the answer comes from what is kept here and, for a tarball, from
 * peers; no registry hears of it, whatever is behind this gateway. For what must not be taken from a registry (`p2p:` in the
 * Yarn plugin, docs/yarn.md). No web page can send it, being a header of ours without leave to cross origins. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import type { Route } from './route.ts'

const HEADER = 'x-catalog-upstream'

/** undefined: upstream may be asked, as ever. @throws CatalogError INVALID_OPTIONS */
export function upstreamUse(headers: IncomingHttpHeaders, route: Route): 'never' | undefined {
  const value = headers[HEADER]
  if (value === undefined) return undefined
  // What we do not understand, or can't keep, is no promise to be given silently.
  if (value !== 'never') throw refused(`${HEADER} can only be "never"`)
  if (route.route === 'packument' || route.route === 'tarball') return value
  throw refused(`${HEADER} is for GET and HEAD of metadata and tarballs`)
}

function refused(message: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', message, { status: 400 })
}
