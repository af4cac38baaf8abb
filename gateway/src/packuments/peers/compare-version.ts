/** A version as a document of peers' words has it, beside its tarball: where they differ, and whose word that was. Pure. */
import { differingField, type TarballManifest } from './compare-manifest.ts'
import { wordOf, type ClaimFields } from './version-claims.ts'

export interface VersionToCompare {
  readonly version: string
  readonly tarball: TarballManifest
}

export interface Difference {
  readonly field: string
  /** Whose word it was; empty: that is not known. */
  readonly peer: string
  /** Another peer said otherwise. */
  readonly isDisputed: boolean
}

export interface Compared {
  /** The document says something of that version. */
  readonly isKnown: boolean
  readonly difference?: Difference
}

/** @throws Error when the tarball's package.json is none */
export function compareVersion(
  document: ClaimFields & {
    readonly versions?: Readonly<Record<string, Record<string, unknown>>>
  },
  { version, tarball }: VersionToCompare,
): Compared {
  const manifest = document.versions?.[version]
  if (manifest === undefined) return { isKnown: false }
  const field = differingField(manifest, tarball)
  if (field === undefined) return { isKnown: true }
  return { isKnown: true, difference: { field, ...wordOf(document, version, field) } }
}
