/**
 * URLs as they may be shown or logged. Some registries take a token as user, as a segment of the path, or as a query: users
 * and queries are never shown, a segment is masked when it looks like a secret. Pure; rather masks too much than too little.
 */

const MASK = '***'
/** What follows such a segment is a secret, whatever it looks like. */
const BEFORE_SECRET = /^(?:auth|token|key|secret)$/i
const KNOWN_SECRET = /^(?:npm_|glpat-|gh[a-z]_|github_pat_)/i
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const LONG = 32
/** Calls that log out or revoke name the token; the page of a web login is a secret of the client that logs in, a registry's or ours. */
const CALL_WITH_SECRET =
  /^(\/-\/(?:user\/token|npm\/v1\/tokens\/token|v1\/(?:login|done)[^/]*|catalog\/login)\/).+$/i

/** Origin and path of a registry's URL, without what may be secret; a mask for anything that is not a URL. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return MASK
  const { origin, pathname } = new URL(text)
  const segments = pathname.split('/')
  const shown = segments.map((segment, at) => {
    if (segment === '') return segment
    const isSecret = BEFORE_SECRET.test(segments[at - 1] ?? '') || looksSecret(segment)
    return isSecret ? MASK : segment
  })
  return origin + shown.join('/')
}

/** The path of a request to this gateway, without its query and without a token in it. */
export function redactPath(url: string): string {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  return path.startsWith('/-/') ? path.replace(CALL_WITH_SECRET, `$1${MASK}`) : path
}

function looksSecret(segment: string): boolean {
  if (KNOWN_SECRET.test(segment) || UUID.test(segment)) return true
  if (segment.length >= LONG && mixes(segment) && !/\.tgz$/.test(segment)) return true
  return (segment.match(/[A-Za-z0-9]{16,}/g) ?? []).some(isRandom)
}

/** Digits, small and capital letters, as names of things rarely have together. */
function mixes(text: string): boolean {
  return /\d/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text)
}

/** Letters with digits among them, or more changes between small and capital letters than words have. */
function isRandom(run: string): boolean {
  const changes = run.match(/[a-z][A-Z]/g) ?? []
  return (/\d/.test(run) && /[A-Za-z]/.test(run)) || changes.length >= 4
}
