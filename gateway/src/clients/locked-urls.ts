/** URLs in the text of a lockfile or manifest, by a pattern whose first group is one. Pure. */

export function urlsIn(text: string, pattern: RegExp): URL[] {
  return parsedUrls([...text.matchAll(pattern)].map(([, url = '']) => url))
}

/** Those that are URLs. */
export function parsedUrls(texts: readonly string[]): URL[] {
  return texts.filter((text) => URL.canParse(text)).map((text) => new URL(text))
}
