/** A request's URL as it may stand in a log: some carry a token in their path, or a login session in their query. Pure. */

/** Logging out and revoking name the token; where to wait for a web login is known only to who may have its token. */
const SECRET = /^(\/-\/(?:user\/token|npm\/v1\/tokens\/token|v1\/(?:login|done)[^/]*)\/).+$/i

export function loggableUrl(url: string): string {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  return path.replace(SECRET, '$1***')
}
