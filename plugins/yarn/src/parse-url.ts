/** Text to a URL. (URL.canParse came with Node 18.17, and Yarn runs on older ones.) */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined // what it is instead is the caller's to say
  }
}

/** Origin and path, spelled as requests spell them in the end: host in lower case, no default port, no slash at the end. */
export function plainUrl(text: string): string | undefined {
  const url = parseUrl(text)
  return url && url.origin + url.pathname.replace(/\/+$/, '')
}
