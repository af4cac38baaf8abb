/**
 * This gateway's own signature on versions of the network, in the form of registries' signatures, so that clients' "audit
 * signatures" has something to check: it says that this gateway has verified the publisher's signature, which clients know nothing
 * of. Worth something on this machine only: its key never leaves it, and no peer, record or registry hears of it.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { CatalogError, errnoOf, type Logger } from '@catalog-p2p/core'
import { fingerprintOf, KEY_TYPE, type RegistryKey } from './registry-key.ts'

export interface GatewaySignatures {
  /** As in `dist.signatures`. Only of what a trusted publisher has signed. */
  readonly sign: (version: VerifiedVersion) => { readonly keyid: string; readonly sig: string }
  /** As registries publish theirs. */
  readonly key: RegistryKey
}

export interface VerifiedVersion {
  readonly name: string
  readonly version: string
  /** As in `dist.integrity`. */
  readonly integrity: string
}

/** The same version is signed in the same way while it is asked for. */
const MAX_SIGNED = 10_000

export function gatewayKeyPath(folder: string): string {
  return join(folder, 'gateway-signing.pem')
}

/** The key in the file, made at first use; where that can't be, one of this run. */
export async function openGatewaySignatures(
  { log }: { readonly log: Logger },
  path: string,
): Promise<GatewaySignatures> {
  try {
    return signaturesWith((await read(path)) ?? (await make(path)))
  } catch (error) {
    log.warn('gateway-key.unusable', { path, error, effect: 'this run has a key of its own' })
    return signaturesWith(newKey())
  }
}

function signaturesWith(privateKey: KeyObject): GatewaySignatures {
  const publicKey = createPublicKey(privateKey)
  const keyid = fingerprintOf(publicKey)
  const signed = new LRUCache<string, string>({ maxSize: MAX_SIGNED, sizeCalculation: () => 1 })
  return {
    key: {
      ...{ expires: null, keyid, keytype: KEY_TYPE, scheme: KEY_TYPE },
      key: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    },
    sign({ name, version, integrity }) {
      const text = `${name}@${version}:${integrity}`
      const sig =
        signed.get(text) ?? sign('sha256', Buffer.from(text), privateKey).toString('base64')
      signed.set(text, sig)
      return { keyid, sig }
    },
  }
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

async function read(path: string): Promise<KeyObject | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
  })
  if (text === undefined) return undefined
  const key = createPrivateKey(text)
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw new CatalogError('STORE_CORRUPT', `${path}: not a P-256 key`)
}

async function make(path: string): Promise<KeyObject> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const key = newKey()
  try {
    const text = key.export({ format: 'pem', type: 'pkcs8' })
    await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true })
    return key
  } catch (error) {
    // Another gateway of this user was quicker.
    const theirs = errnoOf(error) === 'EEXIST' && (await read(path))
    if (theirs !== false && theirs !== undefined) return theirs
    throw error
  }
}
