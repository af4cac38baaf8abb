/**
 * What to do about a refusal that has nothing to do with the registry: to a package manager the gateway is a registry of its
 * own, so clients that are logged in at the real one show no credentials here. The daemon's own are never used to act for its
 * user (docs/threat-model.md): any program of this machine could ask. Changes an answer's words only, never its status.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { PublishWords } from '../http/api-errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { isObject } from '../is-object.ts'
import { isPackageRead } from './package-read.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { scopeOf } from '../http/route.ts'
import { readBody, type UpstreamResponse } from '../upstream/upstream.ts'

const unzip = promisify(gunzip)
const MAX_BYTES = 64 * 1024
/** The way to credentials does not need any. */
const LOGIN = /^\/-\/(?:v1\/|user\/)/

export interface Refused {
  readonly response: UpstreamResponse
  readonly registry: Registry
  /** The package, or what stands for one of its scope. */
  readonly about: string | undefined
}

/** undefined: the answer says enough. */
export function refusalHint(
  registries: Registries,
  exchange: Exchange,
  refused: Refused & { readonly words: PublishWords | undefined },
): string | undefined {
  const { response, words } = refused
  const isMeant = [401, 403, 404].includes(response.status) && !wantsSecondFactor(response)
  const hints = [loginHint(registries, exchange, refused), isMeant ? words?.refused : undefined]
  return hints.filter((hint) => hint !== undefined).join('; ') || undefined
}

/** undefined: it was not refused, or not for want of credentials. */
function loginHint(
  registries: Registries,
  exchange: Exchange,
  { response, registry, about }: Refused,
): string | undefined {
  const { target } = exchange
  const { method, path: url } = target
  const isRead = method === 'GET' || method === 'HEAD'
  // Some registries answer a publish without credentials with: no such package.
  const isRefusal = [401, 403].includes(response.status) || (response.status === 404 && !isRead)
  if (!isRefusal || method === 'HEAD' || LOGIN.test(url)) return undefined
  // There the daemon has shown what it has.
  if (isPackageRead(target)) return undefined
  if (wantsSecondFactor(response)) return undefined
  if (clientCredentials(registries, exchange, about) !== undefined) return undefined
  const isMain = registry.url === registries.homeOf(undefined).url
  const scope = target.scope ?? (isMain ? undefined : scopeOf(about ?? ''))
  return `not logged in here; a login at the registry itself does not count: ${loginAt(exchange, scope)}`
}

/** It is asked for only after the first one was accepted. */
function wantsSecondFactor({ headers }: UpstreamResponse): boolean {
  return /\botp\b/i.test(String(headers['www-authenticate'] ?? ''))
}

/** Never with `--scope`: npm would write this place over the scope's registry in ~/.npmrc, which the daemon reads. */
function loginAt({ base, target: { scope: here } }: Exchange, scope: string | undefined): string {
  if (scope === undefined || here !== undefined) return `npm login --registry=${base}/`
  const place = `${base}/-/catalog/scope/${scope}/`
  return `npm login --registry=${place}, then the same again with --${scope}:registry=${place}`
}

/** Upstream's words with the hint behind them, where package managers look for words. */
export async function withHint(
  response: UpstreamResponse,
  hint: string,
  signal: AbortSignal,
): Promise<Buffer> {
  // Too long, or broken off: the status says enough, and must not become another one.
  const body = await readBody(response, { maxBytes: MAX_BYTES, signal }).catch(() => {
    signal.throwIfAborted()
    return Buffer.alloc(0)
  })
  const said = parse(await decoded(body, response.headers['content-encoding']))
  const words = said.error ?? said.message ?? said.reason
  const error = typeof words === 'string' && words !== '' ? `${words} (${hint})` : hint
  return Buffer.from(JSON.stringify({ ...said, error }))
}

async function decoded(body: Buffer, coding: string | undefined): Promise<Buffer> {
  if (coding !== 'gzip') return body
  return unzip(body, { maxOutputLength: MAX_BYTES }).catch(() => Buffer.alloc(0)) // the status says enough
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as unknown
    return isObject(parsed) ? parsed : {}
  } catch {
    return {} // a page, or nothing
  }
}
