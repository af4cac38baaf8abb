/**
 * The tokens that clients publish with and that build tools write results with: each made once, in a file for this user alone, so that
 * what `npm login`, .npmrc or a job's variables have kept is still good after a restart. Neither opens what the other does, since
 * any script of a build reads its variables. They are this gateway's own: no registry ever gets them.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { CatalogError, errnoOf } from '@catalog-p2p/core'
import { isToken } from '../http/is-token.ts'

const FORM = /^catalog_[\w-]{43}$/
const MAX_BYTES = 1_000

export type OwnTokenUse = 'publish' | 'build'

export function ownTokenPath(configFolder: string, use: OwnTokenUse): string {
  return join(configFolder, `${use}-token`)
}

/** Made if there is none. @throws CatalogError STORE_FAILED when the file is not a token's, or cannot be read or made */
export function openOwnToken(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const token = `catalog_${randomBytes(32).toString('base64url')}`
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
    return token
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw failed(path, error)
  }
  return readToken(path)
}

function readToken(path: string): string {
  let text = ''
  try {
    if (statSync(path).size <= MAX_BYTES) text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw failed(path, error)
  }
  if (FORM.test(text)) return text
  throw failed(path, new Error('it holds no token'))
}

/**
 * Whether the request shows one of these tokens of the gateway's own. If so it is taken out of the request, so that no registry ever
 * sees it.
 * @param tokens undefined: there is none
 */
export function takeOwnToken(
  { headers }: IncomingMessage,
  ...tokens: readonly (string | undefined)[]
): boolean {
  const [, given] = /^bearer (.+)$/i.exec(headers.authorization ?? '') ?? []
  if (given === undefined) return false
  if (!tokens.some((token) => token !== undefined && isToken(token, given))) return false
  delete headers.authorization
  return true
}

function failed(path: string, cause: unknown): CatalogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CatalogError('STORE_FAILED', `the token in ${path}: ${reason}`, {
    cause,
    hint: 'delete the file, and a new one is made',
  })
}
