/**
 * Which of upstream's headers go on to a client: a list of what package managers read, never of what is dangerous, because a
 * browser takes orders from headers that nobody here has heard of yet. Pure. What clients read: their own sources
 * (npm-registry-fetch, make-fetch-happen, npm-profile, pnpm, Yarn), tried in test/e2e/registry-api.test.ts.
 */
import type { IncomingHttpHeaders } from 'node:http'

const PASSED: ReadonlySet<string> = new Set([
  // the body
  'content-encoding',
  'content-length',
  'content-range',
  'accept-ranges',
  // how long it is good for, RFC 9111
  'age',
  'cache-control',
  'date',
  'etag',
  'expires',
  'last-modified',
  'vary',
  // what the registry wants its user to know or do
  'allow',
  'deprecation',
  'npm-notice',
  'retry-after',
  'warning',
  'www-authenticate',
])
/** Types that no browser shows or runs, beside those that are JSON by their name. */
const TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/octet-stream',
  'application/gzip',
  'application/x-gzip',
  'application/x-compressed',
  'application/x-gtar',
  'application/x-tar',
  'application/x-tgz',
  'application/x-ndjson',
  'text/json',
  'text/plain',
])
const OPAQUE = 'application/octet-stream'
/** RFC 9110 8.3.1, and no comma: that would be two of them, of which a browser takes the last. */
const MEDIA_TYPE = /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(?:;[^,]*)?$/

export interface AnswerContext {
  readonly status: number
  /** What upstream was asked for. */
  readonly url: URL
  /** URL of the registry, with a slash at its end. */
  readonly registry: string
  /** This gateway as the client spelled it, no trailing slash. */
  readonly base: string
}

export function passedHeaders(
  headers: IncomingHttpHeaders,
  context: AnswerContext,
): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const [key, value] of Object.entries(headers)) {
    if (typeof value === 'string' && PASSED.has(key)) passed[key] = value
  }
  const location = locationFor(headers.location, context)
  if (location !== undefined) passed.location = location
  const isEmpty = context.status === 204 || context.status === 304
  const type = headers['content-type']
  if (type !== undefined || !isEmpty) passed['content-type'] = harmlessType(type)
  return passed
}

/** The same type where a browser makes nothing of it, else one that says nothing. */
function harmlessType(type: string | undefined): string {
  const essence = MEDIA_TYPE.exec(type ?? '')?.[1]?.toLowerCase() ?? ''
  const isHarmless = TYPES.has(essence) || /^application\/.+\+json$/.test(essence)
  return isHarmless && type !== undefined ? type : OPAQUE
}

/** Under the registry it is spelled as ours, so that credentials and the way to upstream hold; else it is made absolute. */
function locationFor(location: string | undefined, context: AnswerContext): string | undefined {
  const { url, registry, base } = context
  if (location === undefined || !URL.canParse(location, url.href)) return undefined
  const to = new URL(location, url.href)
  if (!/^https?:$/.test(to.protocol)) return undefined
  const { href } = to
  return href.startsWith(registry) ? `${base}/${href.slice(registry.length)}` : href
}
