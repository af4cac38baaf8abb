/**
 * The list of a packument's versions in a form that can be searched without parsing: a line of dist-tags as JSON, then one
 * line a version: `version TAB integrity TAB shasum TAB tarball`. A search is one pass of a native byte scan. Pure.
 */

export interface VersionFacts {
  readonly version: string
  /** As upstream wrote them; empty when it did not. */
  readonly integrity: string
  readonly shasum: string
  readonly tarball: string
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
  const [version = '', integrity = '', shasum = '', tarball = ''] = lines
    .toString('utf8', start, end === -1 ? lines.length : end)
    .split('\t')
  return { version, integrity, shasum, tarball }
}
