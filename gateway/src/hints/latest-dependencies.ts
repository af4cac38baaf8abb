/**
 * What the latest version of a package depends on, out of the text of its packument, without parsing megabytes of other
 * versions: one native search for the version, one pass over its own object. Pure.
 */

/** An object longer than this is left alone. */
const MAX_OBJECT_BYTES = 256 * 1024
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d

export interface Dependency {
  readonly name: string
  readonly range: string
}

/** Empty when the document does not have it in the usual place. */
export function dependenciesOf(document: Buffer, version: string): Dependency[] {
  const versions = document.indexOf('"versions":')
  // In `time` and `dist-tags` versions have no object behind them.
  const key = Buffer.from(`${JSON.stringify(version)}:{`)
  const start = versions === -1 ? -1 : document.indexOf(key, versions)
  if (start === -1) return []
  const open = start + key.length - 1
  const end = endOfObject(document, open)
  if (end === undefined) return []
  try {
    const manifest: unknown = JSON.parse(document.toString('utf8', open, end))
    const { dependencies, optionalDependencies } = manifest as Record<string, unknown>
    return [...entriesOf(dependencies), ...entriesOf(optionalDependencies)]
  } catch {
    return [] // not what it looked like
  }
}

function endOfObject(text: Buffer, open: number): number | undefined {
  let depth = 0
  let isText = false
  const limit = Math.min(text.length, open + MAX_OBJECT_BYTES)
  for (let at = open; at < limit; at += 1) {
    const byte = text[at]
    if (isText) {
      if (byte === BACKSLASH) at += 1
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === OPEN) depth += 1
    else if (byte === CLOSE && (depth -= 1) === 0) return at + 1
  }
  return undefined
}

function entriesOf(value: unknown): Dependency[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value as Record<string, unknown>).flatMap(([name, range]) =>
    typeof range === 'string' ? [{ name, range }] : [],
  )
}
