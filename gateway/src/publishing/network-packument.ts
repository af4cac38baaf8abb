/**
 * A package of the network as the document that npm's registry would give: what clients resolve and install from. Pure.
 * https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
 */
import { tarballFile } from '../packuments/client-policy.ts'
import { splitManifest } from './provenance.ts'
import type { NetworkListing, NetworkPackage, NetworkVersion } from './network-packages.ts'

export interface PackumentContext {
  /** This gateway as the client spelled it. */
  readonly base: string
  /** The gateway's own signature, for clients: the publisher's has been verified. */
  readonly sign: SignVersion | undefined
}

/** Before the version, as at npm's registry: clients know the path. */
export const ATTESTATIONS = '/-/npm/v1/attestations/'

export type SignVersion = (version: {
  readonly name: string
  readonly version: string
  readonly integrity: string
}) => object

export function packumentOf(found: NetworkPackage, context: PackumentContext): object {
  const { name, versions, tags, changedAtMs, revision, publishers } = found
  const times = [...versions].map(
    ([version, { release }]) => [version, isoOf(release.publishedAtMs)] as const,
  )
  const created = Math.min(changedAtMs, ...[...versions.values()].map(publishedAtMs))
  return {
    ...{ _id: name, _rev: revision, name },
    'dist-tags': Object.fromEntries(tags),
    versions: Object.fromEntries(
      [...versions].map(([version, each]) => [version, versionOf(each, context)]),
    ),
    time: { created: isoOf(created), modified: isoOf(changedAtMs), ...Object.fromEntries(times) },
    modified: isoOf(changedAtMs),
    maintainers: publishers.map((publisher) => ({ name: publisher })),
  }
}

/** For clients that change it: every version that is published, and of each no more than its state. No release is read for it. */
export function listingDocumentOf(
  { name, releases, tags, changedAtMs, revision, publishers }: NetworkListing,
  base: string,
): object {
  return {
    ...{ _id: name, _rev: revision, name, modified: isoOf(changedAtMs) },
    'dist-tags': Object.fromEntries(tags),
    versions: Object.fromEntries(
      [...releases].map(([version, { deprecated }]) => [
        version,
        {
          ...{ name, version, dist: { tarball: tarballUrl(base, name, version) } },
          ...(deprecated !== undefined && { deprecated }),
        },
      ]),
    ),
    maintainers: publishers.map((publisher) => ({ name: publisher })),
  }
}

export function versionOf(
  { release, deprecated }: NetworkVersion,
  { base, sign }: PackumentContext,
): object {
  const { name, version, manifest, digest, publisher } = release
  const tarball = tarballUrl(base, name, version)
  const signed = { name, version, integrity: digest }
  const { fields, provenance } = splitManifest(manifest)
  const url = `${base}${ATTESTATIONS}${name}@${version}`
  return {
    ...fields,
    ...{ _id: `${name}@${version}`, _npmUser: { name: publisher } },
    dist: {
      ...{ tarball, integrity: digest, ...(sign && { signatures: [sign(signed)] }) },
      ...(provenance && {
        attestations: { url, provenance: { predicateType: provenance.predicateType } },
      }),
    },
    ...(deprecated !== undefined && { deprecated }),
  }
}

function tarballUrl(base: string, name: string, version: string): string {
  return `${base}/${name}/-/${encodeURIComponent(tarballFile(name, version))}`
}

function publishedAtMs({ release }: NetworkVersion): number {
  return release.publishedAtMs
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
