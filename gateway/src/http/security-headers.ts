/**
 * The security headers of every answer through a ServerResponse (what Node itself answers to a request that it can't read has none): a
 * browser may do nothing with it. An upstream's answer may have been written by strangers (a web interface, files of packages), and
 * here it has our origin, which can read all private packages: none of its scripts may run, and no other page may load it. A page of
 * our own brings its own policy.
 */
import { ServerResponse, type OutgoingHttpHeader, type OutgoingHttpHeaders } from 'node:http'

/** https://www.w3.org/TR/CSP3/: no script, no form, no frame, and an origin that is nobody's. */
const NOTHING = "sandbox; default-src 'none'; frame-ancestors 'none'"

const STRICT: readonly (readonly [name: string, value: string])[] = [
  ['content-security-policy', NOTHING],
  ['cross-origin-resource-policy', 'same-origin'],
  ['x-content-type-options', 'nosniff'],
]
const STRICT_LIST = STRICT.flat()

type GivenHeaders = OutgoingHttpHeaders | OutgoingHttpHeader[]

/**
 * An answer of our own listeners: it has the headers, whoever writes it and however. A head that is written as one list takes a
 * sixth of the time that its headers take one by one.
 */
export class SecuredResponse extends ServerResponse {
  override writeHead(status: number, first?: string | GivenHeaders, second?: GivenHeaders): this {
    if (Array.isArray(first) && this.getHeaderNames().length === 0) {
      return super.writeHead(status, [...STRICT_LIST, ...first])
    }
    for (const [name, value] of STRICT) {
      if (!this.hasHeader(name)) this.setHeader(name, value)
    }
    if (typeof first === 'string') return super.writeHead(status, first, second)
    return super.writeHead(status, first)
  }
}

/** @param policy of a page that was written here; upstream's answers always get the strict one. */
export function setSecurityHeaders(res: ServerResponse, policy = NOTHING): void {
  for (const [name, value] of STRICT) res.setHeader(name, value)
  res.setHeader('content-security-policy', policy)
}
