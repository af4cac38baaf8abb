/**
 * Keeps web pages out: a registry is for programs, and any page that a user opens can send requests to localhost. Pure.
 * Decides before anything is looked up, so that neither answer nor time tells a page what is here. Never a list of what is
 * dangerous: a page of another origin gets nothing, reading included. That a package manager sends none of these headers is
 * checked with each of them in test/e2e/client-headers.test.ts.
 *
 * Browsers send `Sec-Fetch-Site` with every request to localhost (https://www.w3.org/TR/fetch-metadata/). To other addresses
 * without TLS they do not: there `Origin`, and the headers of security-headers.ts, are what is left.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** `none`: somebody typed the address. */
const OWN_SITES: ReadonlySet<string> = new Set(['none', 'same-origin'])

/** Why the request is refused; undefined: no page of another origin sent it. */
export function browserProblem(headers: IncomingHttpHeaders): string | undefined {
  const { host = '', origin, 'sec-fetch-site': site } = headers
  const isForeign =
    (site !== undefined && !OWN_SITES.has(String(site))) ||
    (origin !== undefined && !isSameHost(origin, host))
  return isForeign ? 'this is a registry for programs: web pages get nothing here' : undefined
}

function isSameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}
