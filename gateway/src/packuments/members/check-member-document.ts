/**
 * What a machine of our certified swarm says that a registry says. Where this user has keys of the registry, the registry must have
 * signed what a tag or a range can pick; other versions are looked at when they are used (peer-evidence.ts). Where there are none the
 * member is believed. Pure; runs in packument-worker.ts.
 */
import { keyObjectsOf, type TrustedKey } from '../../keys/trusted-keys.ts'
import type { Packument } from '../document/packument-json.ts'
import { DOCUMENT_BOUNDS, exceededBound } from '../peers/json-bounds.ts'
import { pickableVersions } from '../peers/pickable-versions.ts'
import { isSigned, signedManifest } from '../peers/signed-manifest.ts'

export interface MemberRefusal {
  readonly why: string
  /** No honest machine would have said so. */
  readonly isLie: boolean
}

/** Before it is parsed. @throws Error */
export function checkBounds(text: Uint8Array): void {
  const exceeded = exceededBound(text, DOCUMENT_BOUNDS)
  if (exceeded !== undefined) throw new Error(`a document of ${exceeded}`)
}

/** undefined: it is taken in. */
export function refusalOfMembers(
  document: Packument,
  about: { readonly name: string; readonly registry: string },
  trusted: readonly TrustedKey[],
): MemberRefusal | undefined {
  const { name } = about
  if (document.name !== name) return { why: 'a document of another package', isLie: true }
  if (trusted.length === 0) return undefined
  const keys = keyObjectsOf(trusted)
  const { versions = {}, 'dist-tags': tags = {} } = document
  const tagged = new Set(Object.values(tags).filter((each) => typeof each === 'string'))
  for (const version of pickableVersions(Object.keys(versions), tagged)) {
    if (!Object.hasOwn(versions, version)) continue
    const signed = signedManifest(about, keys, [version, versions[version]])
    if (signed === undefined) return { why: `${version} is not signed`, isLie: false }
    if (!isSigned(keys, name, signed)) {
      return { why: `${version} has a false signature`, isLie: true }
    }
  }
  return undefined
}
