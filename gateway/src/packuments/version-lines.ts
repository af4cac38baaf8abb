/**
 * The list of a packument's versions in a form that can be searched without parsing: a line of dist-tags as JSON, then one
 * line a version: `version TAB integrity TAB shasum TAB tarball`, with `signatures TAB` before the last where they are kept. A
 * search is one pass of a native byte scan. Pure.
 */

export interface VersionFacts {
  readonly version: string
  /** As upstream wrote them; empty when it did not. */
  readonly integrity: string
  readonly shasum: string
  readonly tarball: string
  /** JSON of `dist.signatures`; empty where there are none, or nobody needs them. */
  readonly signatures: string
}

const MAX_SIGNATURES_CHARS = 2048

/** In one line; empty for what is no list of them. */
export function packSignatures(signatures: unknown): string {
  const isThere = Array.isArray(signatures) && signatures.length > 0
  const text = isThere ? JSON.stringify(signatures) : ''
  return text.length > MAX_SIGNATURES_CHARS ? '' : text
}

export function findVersion(lines: Buffer, version: string): VersionFacts | undefined {
  const found = lines.indexOf(`\n${version}\t`)
  return found === -1 ? undefined : parseLine(lines, found + 1)
}

/** For tarballs whose file name does not tell the version. */
export function findFile(lines: Buffer, file: string): VersionFacts | undefined {
  const found = lines.indexOf(`/${file}\n`)
  if (found === -1) return undefined
  const start = lines.lastIndexOf('\n', found) + 1
  return start === 0 ? undefined : parseLine(lines, start)
}

export function distTagsOf(lines: Buffer): Buffer {
  return lines.subarray(0, lines.indexOf('\n'))
}

function parseLine(lines: Buffer, start: number): VersionFacts {
  const end = lines.indexOf('\n', start)
  const fields = lines.toString('utf8', start, end === -1 ? lines.length : end).split('\t')
  const [version = '', integrity = '', shasum = ''] = fields
  const [signatures = '', tarball = ''] = fields.length > 4 ? fields.slice(3) : ['', fields[3]]
  return { version, integrity, shasum, tarball, signatures }
}
