/** Which calls of the registry API may be made with the daemon's own credentials, whoever asks. Pure. */

/** Calls that tell about packages, and nothing about the user. */
export function isPackageRead(method: string, url: string): boolean {
  const path = url.split('?', 1)[0] ?? ''
  if (/^\/-\/npm\/v1\/security\//.test(path)) return true // an audit is a POST, but changes nothing
  if (method !== 'GET' && method !== 'HEAD') return false
  if (/^\/-\/(v1\/search|npm\/v1\/(keys|attestations)\b|package\/[^?]+\/dist-tags$)/.test(path))
    return true
  return !path.startsWith('/-/') && /\d+\.\d+\.\d+[^/]*$/.test(path)
}
