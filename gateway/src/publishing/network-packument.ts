/**
 * A package of the network as the document that npm's registry would give: what clients resolve and install from. Pure.
 * https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
 */
import { tarballFile } from '../packuments/client-policy.ts'
import type { NetworkPackage, NetworkVersion } from './network-packages.ts'

/** @param base this gateway as the client spelled it */
export function packumentOf(found: NetworkPackage, base: string): object {
  const { name, versions, tags, changedAtMs, revision, publishers } = found
  const times = [...versions].map(
    ([version, { release }]) => [version, isoOf(release.publishedAtMs)] as const,
  )
  const created = Math.min(changedAtMs, ...[...versions.values()].map(publishedAtMs))
  return {
    ...{ _id: name, _rev: revision, name },
    'dist-tags': Object.fromEntries(tags),
    versions: Object.fromEntries(
      [...versions].map(([version, each]) => [version, versionOf(each, base)]),
    ),
    time: { created: isoOf(created), modified: isoOf(changedAtMs), ...Object.fromEntries(times) },
    modified: isoOf(changedAtMs),
    maintainers: publishers.map((publisher) => ({ name: publisher })),
  }
}

export function versionOf({ release, deprecated }: NetworkVersion, base: string): object {
  const { name, version, manifest, digest, publisher } = release
  const tarball = `${base}/${name}/-/${encodeURIComponent(tarballFile(name, version))}`
  return {
    ...(JSON.parse(manifest) as object), // checked to be an object of this name and version
    ...{ _id: `${name}@${version}`, _npmUser: { name: publisher } },
    dist: { tarball, integrity: digest },
    ...(deprecated !== undefined && { deprecated }),
  }
}

function publishedAtMs({ release }: NetworkVersion): number {
  return release.publishedAtMs
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
