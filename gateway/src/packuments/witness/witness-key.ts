/**
 * The key of this machine as a witness: a file of its own user alone (0600), made at first use. Whoever names its fingerprint
 * believes what this machine says of its registry, so it lies with the configuration and never in the store.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CatalogError, errnoOf, generateKey, importSecret, type HybridKey } from '@catalog-p2p/core'

const MAX_BYTES = 16 * 1024

export const WITNESS_KEY_FILE = 'witness.key'

/** @throws CatalogError INVALID_KEY when it holds something else, STORE_FAILED when it cannot be read or made */
export async function readWitnessKey(path: string): Promise<HybridKey> {
  return (await read(path)) ?? (await make(path))
}

async function read(path: string): Promise<HybridKey | undefined> {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw new Error(`${size} bytes are too many`)
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw failed(path, "can't be read", error)
  }
  try {
    return importSecret(Buffer.from(text.trim(), 'base64'))
  } catch (cause) {
    throw new CatalogError('INVALID_KEY', `${path}: not the key of a witness`, {
      hint: 'move it away to have a new one made; others then have to be told of that one',
      cause,
    })
  }
}

async function make(path: string): Promise<HybridKey> {
  const key = generateKey()
  const text = `${Buffer.from(key.exportSecret()).toString('base64')}\n`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true })
    return key
  } catch (error) {
    // Another process of this user was quicker.
    const isThere = errnoOf(error) === 'EEXIST'
    const theirs = isThere ? await read(path) : undefined
    if (theirs !== undefined) return theirs
    throw failed(path, "can't be made", error)
  }
}

function failed(path: string, what: string, cause: unknown): CatalogError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CatalogError('STORE_FAILED', `${path}: the key of a witness ${what}: ${why}`, {
    cause,
  })
}
