/**
 * The versions that a client can pick by a tag or by one of the usual ranges, whatever it asks for: the highest of each line of
 * releases (`1.2.x`), and the highest of the prereleases of a number that has not been released yet. Others are picked only by
 * their exact number, or by ranges that shut out the highest. Pure.
 */
import semver, { type SemVer } from 'semver'

/** @param tagged what tags name */
export function pickableVersions(
  versions: Iterable<string>,
  tagged: ReadonlySet<string>,
): ReadonlySet<string> {
  const pickable = new Set<string>()
  const releases = new Map<string, SemVer>()
  const prereleases = new Map<string, SemVer>()
  for (const version of versions) {
    const parsed = semver.parse(version)
    // Of what semver can't order, or only by its build, any may be picked.
    const isOdd = parsed === null || parsed.build.length > 0
    if (isOdd || tagged.has(version)) pickable.add(version)
    if (parsed === null) continue
    if (parsed.prerelease.length === 0) keepHigher(releases, lineOf(parsed), parsed)
    else keepHigher(prereleases, `${lineOf(parsed)}.${parsed.patch}`, parsed)
  }
  for (const { raw } of releases.values()) pickable.add(raw)
  for (const highest of prereleases.values()) {
    const released = releases.get(lineOf(highest))
    // Every range that takes a prerelease takes a later release of its line, which is higher.
    if (released === undefined || highest.compare(released) > 0) pickable.add(highest.raw)
  }
  return pickable
}

function lineOf({ major, minor }: SemVer): string {
  return `${major}.${minor}`
}

function keepHigher(lines: Map<string, SemVer>, line: string, version: SemVer): void {
  const known = lines.get(line)
  if (known === undefined || version.compare(known) > 0) lines.set(line, version)
}
