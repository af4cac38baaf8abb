/**
 * One version as somebody's document has it: what of it may be passed on, and the signature that it stands on, which is verified when
 * it is used. Pure; runs in packument-worker.ts.
 */
import type { KeyObject } from 'node:crypto'
import { isObject } from '../../is-object.ts'
import { isVersion } from '../../http/route.ts'
import { verifyOnce } from '../../keys/verify-once.ts'
import { tarballFile } from '../client-policy.ts'
import { runsOnInstall } from './compare-manifest.ts'
import { hasItsType, KEPT } from './kept-fields.ts'

type Json = Record<string, unknown>

export interface SignedManifest {
  readonly version: string
  /** With nothing but what installing needs. */
  readonly manifest: Json
  /** As npm writes it: a sha512. */
  readonly integrity: string
  readonly signature: { readonly keyid: string; readonly sig: string }
}

export type KeysById = ReadonlyMap<string, KeyObject>

const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/
const MAX_SIGNATURES = 8
/** Of P-256 in DER and base64 there are at most 96. */
const MAX_SIGNATURE_CHARS = 128

/** undefined: it is not of that name and number, or has no signature by a key that counts here. Verifies nothing. */
export function signedManifest(
  { name, registry }: { readonly name: string; readonly registry: string },
  keys: KeysById,
  [version, manifest]: readonly [string, unknown],
): SignedManifest | undefined {
  if (!isVersion(version) || !isObject(manifest) || !isObject(manifest.dist)) return undefined
  if (manifest.name !== name || manifest.version !== version) return undefined
  const { integrity, signatures } = manifest.dist
  if (typeof integrity !== 'string' || !INTEGRITY.test(integrity)) return undefined
  const signature = signatureOf(signatures, keys)
  if (signature === undefined) return undefined
  const kept: Json = { name, version }
  for (const field of KEPT) {
    // Of another type it would be compared as one thing, and read by a client as another.
    if (hasItsType(field, manifest[field])) kept[field] = manifest[field]
  }
  if (runsOnInstall(manifest.scripts)) kept.hasInstallScript = true
  // Where it lies is told by its name: an address of a peer's choice is none.
  const tarball = `${registry}${name}/-/${tarballFile(name, version)}`
  const dist = { integrity, signatures: [signature], tarball }
  return { version, manifest: { ...kept, dist }, integrity, signature }
}

/** `name@version:integrity`: what registries sign. */
export function isSigned(
  keys: KeysById,
  name: string,
  { version, integrity, signature }: Omit<SignedManifest, 'manifest'>,
): boolean {
  const key = keys.get(signature.keyid)
  if (key === undefined) return false
  const { keyid: keyId, sig } = signature
  return verifyOnce({ keyId, key, text: `${name}@${version}:${integrity}`, sig })
}

/** The first one by a key that counts here. */
function signatureOf(signatures: unknown, keys: KeysById): SignedManifest['signature'] | undefined {
  if (!Array.isArray(signatures)) return undefined
  for (const each of (signatures as unknown[]).slice(0, MAX_SIGNATURES)) {
    if (!isObject(each)) continue
    const { keyid, sig } = each
    if (typeof keyid !== 'string' || typeof sig !== 'string') continue
    if (keys.has(keyid) && sig.length <= MAX_SIGNATURE_CHARS) return { keyid, sig }
  }
  return undefined
}
