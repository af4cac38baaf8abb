/** The versions of a package of the network in the order in which they are wanted, where not all of them can be had. Pure. */
import semver from 'semver'
import type { Head } from '@catalog-p2p/core'

/** What its publisher calls the latest, then the others, the highest first. */
export function newestFirst({ tags, releases }: Pick<Head, 'tags' | 'releases'>): string[] {
  const latest = tags.get('latest')
  const ordered = [...releases.keys()].toSorted(semver.rcompare)
  return [...new Set(latest === undefined ? ordered : [latest, ...ordered])]
}
