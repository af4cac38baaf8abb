/**
 * All signatures of a document that was made of peers' words: whose words the registry has not signed. Pure and slow on long documents;
 * runs in packument-worker.ts only, behind or after what clients wait for.
 */
import { keyObjectsOf, type TrustedKey } from '../../keys/trusted-keys.ts'
import type { Packument } from '../document/packument-json.ts'
import { isSigned, signedManifest } from './signed-manifest.ts'
import { wordOf } from './version-claims.ts'

export interface UnsignedWord {
  readonly version: string
  /** Empty: that is not known. */
  readonly peer: string
}

/** One word of each peer that has told of what the registry has not signed. By keys that do not count here nobody is judged. */
export function unsignedWords(
  document: Packument,
  about: { readonly name: string; readonly registry: string },
  trusted: readonly TrustedKey[],
): UnsignedWord[] {
  const keys = keyObjectsOf(trusted)
  const found = new Map<string, UnsignedWord>()
  for (const entry of Object.entries(document.versions ?? {})) {
    const signed = signedManifest(about, keys, entry)
    if (signed === undefined || isSigned(keys, about.name, signed)) continue
    const { version } = signed
    const { peer } = wordOf(document, version, 'dist')
    if (!found.has(peer)) found.set(peer, { version, peer })
  }
  return [...found.values()]
}
