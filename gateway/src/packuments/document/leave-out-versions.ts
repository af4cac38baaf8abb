/**
 * Takes versions out of a packument, as if they had not been published yet: their times go too, and the tags that named them.
 * `latest` moves to the newest that is left. Pure; runs in the worker.
 */
import semver from 'semver'

export interface VersionedDocument {
  'dist-tags'?: Record<string, string>
  versions?: Record<string, Readonly<Record<string, unknown>>>
  time?: Record<string, string>
}

/** Changes `document`; whether there was anything to take out. */
export function leaveOutVersions(document: VersionedDocument, left: readonly string[]): boolean {
  const { versions = {}, time } = document
  const gone = left.filter((version) => Object.hasOwn(versions, version))
  if (gone.length === 0) return false
  const out = new Set(gone)
  for (const version of out) delete versions[version]
  if (typeof time === 'object') for (const version of out) delete time[version]
  const tags = document['dist-tags'] ?? {}
  for (const [tag, version] of Object.entries(tags)) {
    if (!out.has(version)) continue
    const next = tag === 'latest' ? newestOf(versions, version) : undefined
    if (next === undefined) delete tags[tag]
    else tags[tag] = next
  }
  return true
}

/**
 * The newest below the one that is gone, else the newest of all: stable before not, and not deprecated before that. A package whose
 * `latest` is not its highest version has reasons for it.
 */
function newestOf(
  versions: NonNullable<VersionedDocument['versions']>,
  gone: string,
): string | undefined {
  const all = Object.entries(versions).filter(([version]) => semver.valid(version) !== null)
  const isBelow = (version: string): boolean =>
    semver.valid(gone) === null || semver.lt(version, gone)
  const rank = ([version, { deprecated }]: (typeof all)[number]): number =>
    (semver.prerelease(version) === null ? 4 : 0) +
    (isBelow(version) ? 2 : 0) +
    (deprecated === undefined || deprecated === false ? 1 : 0)
  all.sort((a, b) => rank(b) - rank(a) || semver.rcompare(a[0], b[0]))
  return all[0]?.[0]
}
