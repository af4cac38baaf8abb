/**
 * One publisher's key as a file: JSON that says whose it is, with the secret plain or sealed with a passphrase. Files are for their
 * user alone (0600). What is read is bounded and checked: the secret must be that of the public key and the id beside it.
 */
import { z } from 'zod'
import {
  CatalogError,
  importSecret,
  isKeyId,
  keyIdOf,
  toPublicKey,
  type HybridKey,
  type KeyId,
  type PublicKey,
} from '@catalog-p2p/core'
import { seal, sealedSchema, unseal } from './sealed-secret.ts'

export const MAX_KEY_FILE_BYTES = 64 * 1024
/** A file's name on every system: small letters, digits, dots, dashes, underscores. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/
/** Not a file's name on Windows. */
const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/

const schema = z.strictObject({
  version: z.literal(1),
  id: z.string().refine(isKeyId, 'not a key id'),
  publicKey: z.base64().max(4_000),
  createdAt: z.iso.datetime(),
  secret: z.base64().max(16_000).optional(),
  sealed: sealedSchema.optional(),
  /** Key that this one took the place of. */
  replaces: z.string().refine(isKeyId, 'not a key id').optional(),
})

export interface KeyFile {
  readonly id: KeyId
  readonly publicKey: PublicKey
  readonly createdAt: string
  readonly isSealed: boolean
  readonly replaces: KeyId | undefined
  /** As it stands in the file. */
  readonly content: z.output<typeof schema>
}

export function isKeyName(name: string): boolean {
  return NAME.test(name) && !RESERVED.test(name)
}

/** @throws CatalogError INVALID_KEY */
export function parseKeyFile(text: string, where: string): KeyFile {
  try {
    const content = schema.parse(JSON.parse(text))
    const publicKey = toPublicKey(Uint8Array.from(Buffer.from(content.publicKey, 'base64')))
    const id = keyIdOf(publicKey)
    if (id !== content.id) throw new Error('its id is not that of its key')
    const { createdAt, replaces, sealed } = content
    return { id, publicKey, createdAt, replaces, content, isSealed: sealed !== undefined }
  } catch (error) {
    const reason = error instanceof z.ZodError ? error.issues[0]?.message : String(error)
    throw new CatalogError('INVALID_KEY', `${where}: not a key file: ${reason}`, { cause: error })
  }
}

export function formatKeyFile({ content }: KeyFile): string {
  return `${JSON.stringify(content, null, 2)}\n`
}

/** Of a key that was made, or of one that gets another passphrase, or none. */
export async function toKeyFile(
  key: HybridKey,
  how: { readonly passphrase: string | undefined; readonly createdAt: Date; replaces?: KeyId },
): Promise<KeyFile> {
  const { passphrase, createdAt, replaces } = how
  const secret = key.exportSecret()
  const head = {
    version: 1 as const,
    id: keyIdOf(key.publicKey),
    publicKey: Buffer.from(key.publicKey).toString('base64'),
    createdAt: createdAt.toISOString(),
    ...(replaces !== undefined && { replaces }),
  }
  const content =
    passphrase === undefined
      ? { ...head, secret: Buffer.from(secret).toString('base64') }
      : { ...head, sealed: await seal(secret, { passphrase, beside: besideOf(head) }) }
  return parseKeyFile(JSON.stringify(content), head.id)
}

/**
 * The key itself.
 * @param passphrase asked for only if it is sealed
 * @throws CatalogError INVALID_KEY: no passphrase, another one, no secret in it, or damaged
 */
export async function unlockKey(
  { content, id }: KeyFile,
  passphrase: () => Promise<string | undefined>,
): Promise<HybridKey> {
  const { sealed, secret } = content
  if (sealed === undefined && secret === undefined) {
    throw new CatalogError('INVALID_KEY', `only the public half of ${id} is there`, {
      hint: 'on the machine that has it: catalog key export --secret',
    })
  }
  const key = importSecret(
    sealed === undefined
      ? Buffer.from(secret ?? '', 'base64')
      : await unseal(sealed, {
          passphrase: await required(passphrase, id),
          beside: besideOf(content),
        }),
  )
  if (keyIdOf(key.publicKey) === id) return key
  throw new CatalogError('INVALID_KEY', `the secret beside ${id} is of another key`)
}

async function required(ask: () => Promise<string | undefined>, id: KeyId): Promise<string> {
  const passphrase = await ask()
  if (passphrase !== undefined && passphrase !== '') return passphrase
  throw new CatalogError('INVALID_KEY', `the key ${id} is sealed with a passphrase`, {
    hint: 'give it as CATALOG_KEY_PASSPHRASE, or run the command in a terminal',
  })
}

/** Everything but the secret: nobody puts another name, date or predecessor beside a sealed key. */
function besideOf(head: {
  readonly version: number
  readonly id: string
  readonly publicKey: string
  readonly createdAt: string
  readonly replaces?: string | undefined
}): string {
  const { version, id, publicKey, createdAt, replaces = null } = head
  return JSON.stringify([version, id, publicKey, createdAt, replaces])
}

/** For others: all but the secret. */
export function publicHalf({ content }: KeyFile): KeyFile {
  const { version, id, publicKey, createdAt, replaces } = content
  const rest = { version, id, publicKey, createdAt, ...(replaces !== undefined && { replaces }) }
  return parseKeyFile(JSON.stringify(rest), id)
}
