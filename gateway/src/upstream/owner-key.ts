/**
 * The random key of this user on this machine that fingerprints of credentials are made with (credentials.ts). It lies with the
 * configuration, never in the store: who copies a store, out of a CI cache say, can't try secrets against what is in it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, type Logger } from '@catalog-p2p/core'

const KEY_BYTES = 32

/** The key in the file, made at first use. Where that can't be: one of this run, after which private artifacts are nobody's. */
export async function readOwnerKey(path: string, log: Logger): Promise<Uint8Array> {
  const fresh = randomBytes(KEY_BYTES)
  try {
    return (await read(path)) ?? (await make(path, fresh))
  } catch (error) {
    log.warn('owner-key.unusable', {
      ...{ path, error },
      effect: 'after this run private artifacts are fetched anew',
    })
    return fresh
  }
}

async function read(path: string): Promise<Uint8Array | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
  })
  if (text === undefined) return undefined
  const key = Buffer.from(text.trim(), 'hex')
  if (key.byteLength !== KEY_BYTES) throw new Error(`not ${KEY_BYTES} bytes in hex`)
  return key
}

async function make(path: string, key: Uint8Array): Promise<Uint8Array> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    const text = `${Buffer.from(key).toString('hex')}\n`
    await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true })
    return key
  } catch (error) {
    // Another gateway of this user was quicker.
    const theirs = errnoOf(error) === 'EEXIST' && (await read(path))
    if (theirs instanceof Uint8Array) return theirs
    throw error
  }
}
