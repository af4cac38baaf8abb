/**
 * A registry's URL as it may be shown: some registries take a token as user, as a segment of the path, or as a query. A user
 * and a query are never shown; a segment is masked when it looks like a secret. Pure; rather masks too much than too little.
 */

const PLAIN = '***'
/** What follows such a segment is a secret, whatever it looks like. */
const BEFORE_SECRET = /^(?:auth|token|key|secret)$/i
const KNOWN_SECRET = /^(?:npm_|glpat-|gh[a-z]_|github_pat_)/i
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const LONG = 32

/** Origin and path, without what may be secret; a mask for what is no URL. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return PLAIN
  const { origin, pathname } = new URL(text)
  const segments = pathname.split('/')
  const shown = segments.map((segment, at) => {
    if (segment === '') return segment
    const isSecret = BEFORE_SECRET.test(segments[at - 1] ?? '') || looksSecret(segment)
    return isSecret ? PLAIN : segment
  })
  return origin + shown.join('/')
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

/** Letters with digits among them, or that change between small and capital more often than words do. */
function isRandom(run: string): boolean {
  const changes = run.match(/[a-z][A-Z]/g) ?? []
  return (/\d/.test(run) && /[A-Za-z]/.test(run)) || changes.length >= 4
}
