/**
 * Whether npm's public registry has signed that a name and version are these bytes: ECDSA P-256 with SHA-256 over
 * `name@version:integrity`, as in `dist.signatures` of its documents, which mirrors pass on. Only npm's own keys count, pinned
 * or imported for it, whatever registry the document came from.
 * https://docs.npmjs.com/about-registry-signatures
 */
import type { Logger } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { createTrustedKeys, keyObjectsOf } from './trusted-keys.ts'
import { verifyOnce } from './verify-once.ts'

export interface SignedVersion {
  readonly name: string
  readonly version: string
  /** As the registry wrote it. */
  readonly integrity: string
  /** JSON of `dist.signatures`. */
  readonly signatures: string
}

export interface RegistrySignatures {
  isSigned(version: SignedVersion): Promise<boolean>
}

/** Of one version: npm writes one. */
const MAX_SIGNATURES = 8

export function createRegistrySignatures(
  deps: { log: Logger },
  options: { keyringPath: string | undefined },
): RegistrySignatures {
  const trustedKeys = createTrustedKeys(deps, options)

  return {
    async isSigned({ name, version, integrity, signatures }) {
      const given = parseSignatures(signatures)
      if (given.length === 0 || integrity === '') return false
      const keys = keyObjectsOf((await trustedKeys(DEFAULT_REGISTRY)) ?? [])
      const text = `${name}@${version}:${integrity}`
      return given.some(({ keyid, sig }) => {
        const key = keys.get(keyid)
        return key !== undefined && verifyOnce({ keyId: keyid, key, text, sig })
      })
    },
  }
}

/** JSON of `dist.signatures`; what is none is left out. */
export function parseSignatures(text: string): { keyid: string; sig: string }[] {
  if (text === '') return [] // an error costs more than all else about a version
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return [] // a document without any
  }
  if (!Array.isArray(parsed)) return []
  return parsed.slice(0, MAX_SIGNATURES).flatMap((one: unknown) => {
    const { keyid, sig } = (one ?? {}) as { keyid?: unknown; sig?: unknown }
    return typeof keyid === 'string' && typeof sig === 'string' ? [{ keyid, sig }] : []
  })
}
