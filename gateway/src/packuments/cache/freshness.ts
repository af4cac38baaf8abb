/**
 * For how long a document is believed: what its registry's headers say (RFC 9111), never longer than our own maximum age. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import CachePolicy from 'http-cache-semantics'

/**
 * `current`: as far as we know, until it has aged. `changed`: a newer one is known to exist, so upstream is asked before it
 * is used. `unconfirmed`: changed, and upstream could not be asked since.
 */
export type Freshness = 'current' | 'changed' | 'unconfirmed'

export interface Aged {
  /** When upstream last said that this is its document; Unix time, milliseconds. */
  readonly confirmedAtMs: number
  /** For how long it then vouched for it, milliseconds; undefined: it did not say. */
  readonly lifetimeMs: number | undefined
  readonly freshness: Freshness
}

/** For how long an answer may be used without asking again, milliseconds; undefined when its headers do not say. */
export function lifetimeOf(headers: IncomingHttpHeaders): number | undefined {
  const { 'cache-control': given = '', expires, pragma = '' } = headers
  // Directives are case-insensitive (RFC 9111 5.2); the library takes them in lower case only.
  const control = given.toLowerCase()
  const says = /\b(?:max-age|no-cache|no-store)\b/.test(`${control} ${pragma.toLowerCase()}`)
  if (!says && expires === undefined) return undefined
  const policy = new CachePolicy(
    { method: 'GET', url: '/', headers: {} },
    // A 304 says it for the 200 that it confirms.
    { status: 200, headers: { ...headers, ...(control !== '' && { 'cache-control': control }) } },
    { shared: false, cacheHeuristic: 0 },
  )
  return Math.max(0, Math.round((policy.maxAge() - policy.age()) * 1000))
}

/** For how long the document may still be served without asking upstream, milliseconds; 0 or less: it may not. */
export function freshForMs(document: Aged, maxAgeMs: number, nowMs: number): number {
  if (document.freshness !== 'current') return 0
  const lifetimeMs = Math.min(document.lifetimeMs ?? maxAgeMs, maxAgeMs)
  return document.confirmedAtMs + lifetimeMs - nowMs
}

/** Whether a client wants to hear from upstream itself, whatever is at hand (RFC 9111 5.2.1). */
export function wantsRevalidation(headers: IncomingHttpHeaders): boolean {
  const { 'cache-control': control, pragma } = headers
  if (control === undefined) return /\bno-cache\b/i.test(pragma ?? '')
  return /(?:^|[\s,])(?:no-cache|no-store|max-age="?0+"?)(?:$|[\s,;])/i.test(control)
}
