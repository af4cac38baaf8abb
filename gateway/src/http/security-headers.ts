/**
 * The security headers of every answer: a browser may do nothing with it. An upstream's answer may have been written by
 * strangers (a web interface, files of packages), and here it has our origin, which can read all private packages: none of its
 * scripts may run, and no other page may load it. A page of our own brings its own policy.
 */
import type { ServerResponse } from 'node:http'

/** https://www.w3.org/TR/CSP3/: no script, no form, no frame, and an origin that is nobody's. */
const NOTHING = "sandbox; default-src 'none'; frame-ancestors 'none'"

/** @param policy of a page that was written here; upstream's answers always get the strict one. */
export function setSecurityHeaders(res: ServerResponse, policy = NOTHING): void {
  res.setHeader('content-security-policy', policy)
  res.setHeader('cross-origin-resource-policy', 'same-origin')
  res.setHeader('x-content-type-options', 'nosniff')
}
