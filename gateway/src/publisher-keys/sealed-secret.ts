/**
 * A secret key at rest under a passphrase: scrypt (RFC 7914) makes a key of it, AES-256-GCM seals the secret and whatever stands
 * beside it in the file. The parameters stand in the file and are bounded when it is read, so that no file makes us work for hours.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'

/** 128 MiB and half a second. */
const COST = { n: 2 ** 17, r: 8, p: 1 } as const
/** 512 MiB at most. */
const MAX_N = 2 ** 19
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MAX_SEALED_BYTES = 16 * 1024

const base64Of = (bytes: number) =>
  z.base64().refine((text) => Buffer.from(text, 'base64').byteLength === bytes)

export const sealedSchema = z.strictObject({
  kdf: z.literal('scrypt'),
  n: z
    .int()
    .min(2 ** 14)
    .max(MAX_N)
    .refine((n) => (n & (n - 1)) === 0, 'a power of two'),
  r: z.literal(8),
  p: z.int().min(1).max(4),
  salt: base64Of(SALT_BYTES),
  cipher: z.literal('aes-256-gcm'),
  nonce: base64Of(NONCE_BYTES),
  data: z.base64().max(MAX_SEALED_BYTES),
})

export type Sealed = z.output<typeof sealedSchema>

/** @param beside text that must be the same when it is opened */
export async function seal(
  secret: Uint8Array,
  { passphrase, beside }: { readonly passphrase: string; readonly beside: string },
): Promise<Sealed> {
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)]
  const cipher = createCipheriv('aes-256-gcm', await keyFrom(passphrase, { ...COST, salt }), nonce)
  cipher.setAAD(Buffer.from(beside))
  const data = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  return {
    ...{ kdf: 'scrypt', ...COST, salt: salt.toString('base64') },
    ...{ cipher: 'aes-256-gcm', nonce: nonce.toString('base64'), data: data.toString('base64') },
  }
}

/** @throws CatalogError INVALID_KEY for another passphrase, or when anything was changed */
export async function unseal(
  sealed: Sealed,
  { passphrase, beside }: { readonly passphrase: string; readonly beside: string },
): Promise<Buffer> {
  const data = Buffer.from(sealed.data, 'base64')
  const salt = Buffer.from(sealed.salt, 'base64')
  const key = await keyFrom(passphrase, { ...sealed, salt })
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.nonce, 'base64'))
  try {
    decipher.setAAD(Buffer.from(beside))
    decipher.setAuthTag(data.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(data.subarray(0, -TAG_BYTES)), decipher.final()])
  } catch (error) {
    throw new CatalogError('INVALID_KEY', 'the passphrase does not open this key', {
      cause: error,
      hint: 'try again; without it the key is lost, and a new one is needed (catalog key new)',
    })
  }
}

function keyFrom(
  passphrase: string,
  { n, r, p, salt }: { n: number; r: number; p: number; salt: Uint8Array },
): Promise<Buffer> {
  const options = { N: n, r, p, maxmem: 256 * n * r }
  return new Promise((resolve, reject) => {
    // NFC: the same passphrase from another keyboard or system is the same bytes.
    scrypt(passphrase.normalize('NFC'), salt, 32, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
