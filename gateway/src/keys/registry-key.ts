/**
 * A registry's public signing key, and how one is read: out of a registry's own answer (/-/npm/v1/keys), or out of the
 * keys.json that Sigstore's TUF repository holds for npm. A key is taken only if it is one, and if its id is its own
 * fingerprint, so that a file can't put another key under a known name. Pure.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'

export interface RegistryKey {
  /** When it stopped being used; what was published before stays valid. */
  readonly expires: string | null
  /** `SHA256:` and the fingerprint that OpenSSH gives such a key. */
  readonly keyid: string
  readonly keytype: string
  readonly scheme: string
  /** SubjectPublicKeyInfo, DER, base64: a PEM without its first and last line. */
  readonly key: string
}

/** The only kind that npm's clients verify. */
export const KEY_TYPE = 'ecdsa-sha2-nistp256'
const MAX_KEYS = 64
/** Of an uncompressed P-256 point: 0x04, x, y. */
const POINT_BYTES = 65

const text = z.string().min(1).max(1024)
const date = z.string().refine((value) => !Number.isNaN(Date.parse(value)), 'is no date')

const ownSchema = z.object({
  expires: date.nullish(),
  keyid: text,
  keytype: z.literal(KEY_TYPE).optional(),
  scheme: z.literal(KEY_TYPE).optional(),
  key: text,
})

const tufSchema = z
  .object({
    keyId: text,
    keyUsage: z.string().optional(),
    publicKey: z.object({ rawBytes: text, validFor: z.object({ end: date.nullish() }).optional() }),
  })
  .transform(({ keyId, keyUsage, publicKey }) => ({
    keyid: keyId,
    keyUsage,
    key: publicKey.rawBytes,
    expires: publicKey.validFor?.end,
  }))

const listSchema = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) })

/** @throws CatalogError INVALID_OPTIONS with every problem, one a line, each beginning with `where` */
export function parseRegistryKeys(input: unknown, where: string): RegistryKey[] {
  const list = listSchema.safeParse(input)
  if (!list.success) {
    throw refused([`${where}: expected {"keys": [...]}, at most ${MAX_KEYS} of them`])
  }
  const problems: string[] = []
  const found = new Map<string, RegistryKey>()
  list.data.keys.forEach((one, index) => {
    const read = readKey(one)
    if (typeof read === 'string') problems.push(`${where}: key ${index + 1}: ${read}`)
    else if (read !== undefined) found.set(read.keyid, read)
  })
  if (problems.length > 0) throw refused(problems)
  return [...found.values()]
}

/** The key; undefined for one that signs something else; a string says what is wrong. */
function readKey(input: unknown): RegistryKey | string | undefined {
  const isTuf = typeof input === 'object' && input !== null && 'keyId' in input
  const parsed = (isTuf ? tufSchema : ownSchema).safeParse(input)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a key'}`
  }
  const { keyid, key, expires } = parsed.data
  if ('keyUsage' in parsed.data && parsed.data.keyUsage === 'npm:attestations') return undefined
  const object = toKeyObject(key)
  if (object === undefined) return 'not a P-256 public key (SubjectPublicKeyInfo in base64)'
  const fingerprint = fingerprintOf(object)
  if (fingerprint !== keyid) return `its keyid is ${keyid}, but its fingerprint ${fingerprint}`
  const until = typeof expires === 'string' ? new Date(expires).toISOString() : null
  return { expires: until, keyid, keytype: KEY_TYPE, scheme: KEY_TYPE, key }
}

function toKeyObject(base64: string): KeyObject | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  try {
    const key = createPublicKey({
      key: Buffer.from(base64, 'base64'),
      format: 'der',
      type: 'spki',
    })
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined
  } catch {
    return undefined // not a key at all
  }
}

/** As OpenSSH prints it: SHA-256 of the key in its own wire format, base64 without padding. */
export function fingerprintOf(key: KeyObject): string {
  const point = key.export({ format: 'der', type: 'spki' }).subarray(-POINT_BYTES)
  const wire = [Buffer.from(KEY_TYPE), Buffer.from('nistp256'), point].flatMap((part) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.byteLength)
    return [length, part]
  })
  const hash = createHash('sha256').update(Buffer.concat(wire)).digest('base64')
  return `SHA256:${hash.replace(/=+$/, '')}`
}

function refused(problems: readonly string[]): CatalogError {
  return new CatalogError('INVALID_OPTIONS', problems.join('\n'), {
    hint: "a registry's own answer to /-/npm/v1/keys is the format; nothing was changed",
  })
}
