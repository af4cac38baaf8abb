/** Versions of a packument that nobody could do anything with. Pure; runs in the worker. */
import { isObject } from '../../is-object.ts'
import type { VersionedDocument } from './leave-out-versions.ts'

/** One version that is nonsense must not take the package with it; clients pass over it, too. Changes `document`. */
export function dropBrokenVersions({ versions }: VersionedDocument): readonly string[] {
  const dropped: string[] = []
  for (const [version, manifest] of Object.entries(versions ?? {})) {
    if (isUsable(manifest)) continue
    delete versions?.[version]
    dropped.push(version)
  }
  return dropped
}

function isUsable(manifest: unknown): boolean {
  if (!isObject(manifest)) return false
  const { dist } = manifest
  if (dist === undefined) return true
  return isObject(dist) && (dist.tarball === undefined || typeof dist.tarball === 'string')
}
