/**
 * What members of a private swarm say to each other where everybody on the LAN can listen: sealed with AES-256-GCM under a key
 * that comes from the swarm's, and marked with a tag, so that members know what is for them. Others see the tag and how long
 * it is. Pure but for the random nonce.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { LanSeal } from '../host/host.ts'
import type { SwarmKey } from './swarm-key.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const SEAL_BYTES = 16
const TAG_BYTES = 8

export function createLanSeal(swarmKey: SwarmKey): LanSeal {
  const derive = (what: string, length: number): Buffer =>
    Buffer.from(
      hkdfSync('sha256', swarmKey, new Uint8Array(), `catalog-p2p swarm lan ${what} 1`, length),
    )
  const key = derive('key', 32)
  return {
    tag: derive('tag', TAG_BYTES).toString('hex'),
    seal(bytes) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv(CIPHER, key, iv)
      return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed) {
      const end = sealed.byteLength - SEAL_BYTES
      if (end < IV_BYTES) return undefined
      const iv = sealed.subarray(0, IV_BYTES)
      const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: SEAL_BYTES })
      decipher.setAuthTag(sealed.subarray(end))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, end)), decipher.final()])
      } catch {
        return undefined
      }
    },
  }
}
