/**
 * Adds to a registry's packument the versions that it lacks and peers have told of since. Its own versions, tags and times stay what
 * they are: peers' tags are no proof of anything. Tags that witnesses have seen since are. Pure; runs in the worker.
 */
import type { VersionedDocument } from './leave-out-versions.ts'

/** Changes `document`; whether there was anything to add. `hasTags`: those of `told` are verified, and newer. */
export function addVersions(
  document: VersionedDocument,
  told: VersionedDocument,
  { hasTags }: { hasTags: boolean } = { hasTags: false },
): boolean {
  const { versions = {}, time } = document
  const added = Object.entries(told.versions ?? {}).filter(
    ([each]) => !Object.hasOwn(versions, each),
  )
  if (hasTags) document['dist-tags'] = { ...document['dist-tags'], ...told['dist-tags'] }
  if (added.length === 0) return hasTags
  document.versions = { ...versions, ...Object.fromEntries(added) }
  if (time !== undefined) {
    const times = added.flatMap(([each]) => {
      const at = told.time?.[each]
      return at === undefined ? [] : [[each, at] as const]
    })
    document.time = { ...time, ...Object.fromEntries(times) }
  }
  return true
}
