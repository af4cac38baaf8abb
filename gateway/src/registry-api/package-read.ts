/**
 * Which calls of the registry API may be made with the daemon's own credentials, whoever asks: those that tell about packages,
 * and nothing about the user. A list of what is allowed, never of what is not. Pure. docs/threat-model.md has the rule.
 */
import type { RequestTarget } from '../http/request-target.ts'

/** An audit is a POST, but changes nothing. */
const AUDITS: ReadonlySet<string> = new Set([
  '/-/npm/v1/security/advisories/bulk',
  '/-/npm/v1/security/audits',
  '/-/npm/v1/security/audits/quick',
])
const ABOUT_PACKAGES =
  /^\/-\/(?:v1\/search|npm\/v1\/keys|npm\/v1\/attestations\/[^?]+|package\/(?:@[^/]+\/)?[^/]+\/dist-tags)$/
/** A version's own document, or a tarball that is not where they usually are. */
const VERSION = /\/[^/]*\d+\.\d+\.\d+[^/]*$/

/** Calls that tell about packages, and nothing about the user. */
export function isPackageRead({ method, path: url, route }: RequestTarget): boolean {
  const path = url.split('?', 1)[0] ?? ''
  if (route.route === 'invalid') return false
  if (method === 'POST') return AUDITS.has(path)
  if (method !== 'GET' && method !== 'HEAD') return false
  if (path.startsWith('/-/')) return ABOUT_PACKAGES.test(path)
  return 'name' in route && route.name !== undefined && VERSION.test(path)
}
