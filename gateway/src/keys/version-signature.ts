/**
 * What a registry's signatures on a version are worth: verified with the keys that this user has for that very registry
 * (trusted-keys.ts). Says what is missing, in words. https://docs.npmjs.com/about-registry-signatures
 */
import { keyObjectsOf, type TrustedKeys } from './trusted-keys.ts'
import { parseSignatures, type SignedVersion } from './registry-signature.ts'
import { verifyOnce } from './verify-once.ts'

export type SignatureVerdict =
  | { readonly verdict: 'signed' }
  | {
      readonly verdict: 'no-keys' | 'unsigned' | 'unknown-key' | 'false'
      /** The rest of a sentence that begins with the version. */
      readonly why: string
    }

export async function judgeSignatures(
  trustedKeys: TrustedKeys,
  registry: string,
  { name, version, integrity, signatures }: SignedVersion,
): Promise<SignatureVerdict> {
  const keys = keyObjectsOf((await trustedKeys(registry)) ?? [])
  if (keys.size === 0) {
    return { verdict: 'no-keys', why: `cannot be verified: no key of ${registry} is known here` }
  }
  const given = parseSignatures(signatures)
  if (given.length === 0) return { verdict: 'unsigned', why: `has no signature of ${registry}` }
  const known = given.flatMap(({ keyid, sig }) => {
    const key = keys.get(keyid)
    return key === undefined ? [] : [{ keyId: keyid, key, sig }]
  })
  if (known.length === 0) {
    const ids = given.map(({ keyid }) => keyid).join(', ')
    return { verdict: 'unknown-key', why: `is signed with ${ids}, which is no key of ${registry}` }
  }
  const text = `${name}@${version}:${integrity}`
  return known.some((each) => verifyOnce({ ...each, text }))
    ? { verdict: 'signed' }
    : { verdict: 'false', why: `has a signature that is not ${registry}'s on these bytes` }
}
