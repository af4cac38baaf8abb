/**
 * Versions that come with less proof of their origin than one that came out before: whoever steals a token can publish, but
 * not from the place where the package is built. Pure.
 */
import type { GuardedVersion } from './guarded-version.ts'

/** Version to what it lacks. Those without a publishing time are not compared. */
export function findDowngrades(versions: readonly GuardedVersion[]): Map<string, string> {
  const timed = versions.flatMap((each) =>
    each.publishedAtMs === undefined ? [] : [{ ...each, publishedAtMs: each.publishedAtMs }],
  )
  timed.sort((a, b) => a.publishedAtMs - b.publishedAtMs)
  const found = new Map<string, string>()
  let proven: string | undefined
  let signed: string | undefined
  for (const { version, hasProvenance, isSigned } of timed) {
    if (hasProvenance) proven = version
    else if (proven !== undefined) found.set(version, `without provenance, which ${proven} had`)
    if (isSigned) signed = version
    else if (signed !== undefined) found.set(version, `without a signature, which ${signed} had`)
  }
  return found
}
