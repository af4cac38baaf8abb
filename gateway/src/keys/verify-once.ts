/**
 * Signatures that were found valid a moment ago, so that metadata, a record and a rule that want the same one do not verify it again:
 * some 80 microseconds each. Holds nothing of signatures that are false, and says nothing about whose key counts.
 */
import { verify, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export interface SignatureToVerify {
  /** Its own fingerprint. */
  readonly keyId: string
  readonly key: KeyObject
  readonly text: string
  /** ECDSA in DER, base64. */
  readonly sig: string
}

/** About 400 bytes each. */
const MAX_VALID = 5_000
const valid = new LRUCache<string, true>({ maxSize: MAX_VALID, sizeCalculation: () => 1 })

export function verifyOnce(signature: SignatureToVerify): boolean {
  const id = idOf(signature)
  if (valid.has(id)) return true
  const { key, text, sig } = signature
  if (!verify('sha256', Buffer.from(text), key, Buffer.from(sig, 'base64'))) return false
  valid.set(id, true)
  return true
}

/** The same on the thread pool, for many at once. */
export function verifyOncePooled(signature: SignatureToVerify): Promise<boolean> {
  const id = idOf(signature)
  if (valid.has(id)) return Promise.resolve(true)
  const { key, text, sig } = signature
  return new Promise((resolve) => {
    verify('sha256', Buffer.from(text), key, Buffer.from(sig, 'base64'), (error, isValid) => {
      const isGood = error === null && isValid
      if (isGood) valid.set(id, true)
      resolve(isGood)
    })
  })
}

/** What others have sent may hold any character: whatever stood between the parts could stand in one of them. */
function idOf({ keyId, text, sig }: SignatureToVerify): string {
  return JSON.stringify([keyId, text, sig])
}
