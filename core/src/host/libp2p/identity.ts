/**
 * The Ed25519 key whose hash is this node's peer id. Kept in `<path>/identity.key` (libp2p's protobuf form), readable by its
 * owner alone; a file that can't be read is never replaced, because peers trust the id. Without a path, or where the folder
 * refuses, it lives in memory: an install never fails for want of an identity.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  privateKeyFromProtobuf,
  privateKeyFromRaw,
  privateKeyToProtobuf,
} from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { errnoOf } from '../../disk/errno.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'

export const IDENTITY_FILE = 'identity.key'

/**
 * The key in `path`, made there at first use; a new one with a warning when the file can't be read or written.
 * @throws CatalogError HOST_FAILED when the file holds something else
 */
export function loadIdentity(path: string | undefined, log: Logger): PrivateKey {
  if (path === undefined) return generateKey()
  const file = join(path, IDENTITY_FILE)
  try {
    return readKey(file) ?? createKey(path, file)
  } catch (error) {
    if (isCatalogError(error)) throw error
    log.warn('identity.not-kept', {
      ...{ file, error, hint: "check the file's owner and mode, and those of its folder" },
      effect: 'this node has another peer id after each start',
    })
    return generateKey()
  }
}

/** @throws Node's errors; CatalogError HOST_FAILED */
function readKey(file: string): PrivateKey | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const key = privateKeyFromProtobuf(bytes)
    if (key.type === 'Ed25519') return key
  } catch (error) {
    throw failed(`${file} does not hold an identity key`, error)
  }
  throw failed(`${file} holds a key that is not Ed25519`, undefined)
}

/** @throws Node's errors; CatalogError HOST_FAILED */
function createKey(path: string, file: string): PrivateKey {
  const key = generateKey()
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const handle = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(handle, privateKeyToProtobuf(key))
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    placeOnce(temporary, file)
    return key
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return readKey(file) ?? key
    throw error
  } finally {
    removeQuietly(temporary)
  }
}

function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // Where nothing may be written nothing was; what counts is the error of the writing.
  }
}

/** A link, not a rename: it fails with EEXIST when another process made its key first, and that one then counts. */
function placeOnce(temporary: string, file: string): void {
  try {
    linkSync(temporary, file)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw error
    // Not every file system has links.
    renameSync(temporary, file)
  }
}

function generateKey(): PrivateKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d, x } = privateKey.export({ format: 'jwk' })
  if (d === undefined || x === undefined) throw new Error('an Ed25519 key has a seed and a point')
  return privateKeyFromRaw(
    Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]),
  )
}

function failed(message: string, cause: unknown): CatalogError {
  return new CatalogError('HOST_FAILED', message, {
    cause,
    hint: 'move it away to get a new identity',
  })
}
