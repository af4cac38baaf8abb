/**
 * What a browser may do with an answer, set on every one of them in one place: nothing. What upstream sends may have been
 * written by strangers (a web interface, files out of packages) and comes from our origin here, where all private packages
 * can be read: no script of it may run, and no other page may load it. A page of our own brings its own policy.
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
