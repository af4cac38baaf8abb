/**
 * Which credentials may go where. npm's configuration ties a token to a host and a path prefix; a client's own
 * Authorization header belongs to the upstream of the package it asks for. Nothing here is ever logged.
 */
import { createHmac, randomBytes } from 'node:crypto'

/** What is read of npm's configuration (npmrc.ts). */
interface Settings {
  get(key: string): string | undefined
  keys(): Iterable<string>
}

/** The value of an Authorization header, with a fingerprint that can be stored and compared. */
export interface Credentials {
  readonly authorization: string
  /** Tells owners of private artifacts apart. Keyed: without the key no secrets can be tried against it. */
  readonly fingerprint: string
}

/** Credentials with their fingerprint; equal ones have equal fingerprints under one key. */
export type Identify = (authorization: string) => Credentials

/** `key`: secret bytes, 32 or more; by default random ones, so that no fingerprint outlasts this run. */
export function createIdentify(key: Uint8Array = randomBytes(32)): Identify {
  return (authorization) => {
    const fingerprint = createHmac('sha256', key).update('catalog-owner\0').update(authorization)
    return { authorization, fingerprint: fingerprint.digest('base64url') }
  }
}

/**
 * What says to whoever holds the admin token of a daemon, and has the same credentials, that the daemon has them; nothing to
 * anybody else. null: there are none.
 */
export function proofOf(token: string, credentials: Credentials | undefined): string | null {
  if (credentials === undefined) return null
  return createHmac('sha256', token).update(credentials.authorization).digest('base64url')
}

/**
 * The Authorization header that npm's configuration holds for `url`: that of the longest prefix `//host[:port]/path/`.
 * They never travel in clear text, except to the very origin that is configured as a registry (`clearOrigins`).
 */
export function configuredCredentials(
  config: Settings,
  url: URL,
  clearOrigins: ReadonlySet<string>,
): Pick<Credentials, 'authorization'> | undefined {
  if (url.protocol !== 'https:' && !clearOrigins.has(url.origin)) return undefined
  for (const prefix of prefixesOf(url)) {
    const authorization = authorizationAt(config, prefix)
    if (authorization !== undefined) return { authorization }
  }
  return undefined
}

/** Of every host that has any: nearly every URL that is asked about has none. */
export function hostsWithCredentials(config: Settings): ReadonlySet<string> {
  const hosts = new Set<string>()
  for (const key of config.keys()) {
    const host = /^\/\/([^/]+?)(?:\/.*)?:(?:_authToken|_auth|username|_password)$/.exec(key)?.[1]
    if (host !== undefined) hosts.add(host)
  }
  return hosts
}

/** From the whole path down to `//host/`, in both spellings that npm accepts (with and without the last slash). */
function* prefixesOf(url: URL): Iterable<string> {
  const segments = url.pathname.split('/').filter((segment) => segment !== '')
  for (let count = segments.length; count >= 0; count -= 1) {
    const path = segments.slice(0, count).join('/')
    yield `//${url.host}/${path}${path === '' ? '' : '/'}`
    yield `//${url.host}${path === '' ? '' : `/${path}`}`
  }
}

function authorizationAt(config: Settings, prefix: string): string | undefined {
  const token = config.get(`${prefix}:_authToken`)
  if (token !== undefined) return `Bearer ${token}`
  const basic = config.get(`${prefix}:_auth`)
  if (basic !== undefined) return `Basic ${basic}`
  const username = config.get(`${prefix}:username`)
  const password = config.get(`${prefix}:_password`)
  if (username === undefined || password === undefined) return undefined
  const plain = Buffer.from(password, 'base64').toString('utf8')
  return `Basic ${Buffer.from(`${username}:${plain}`).toString('base64')}`
}
