/**
 * GET /-/npm/v1/keys: the public keys that `npm audit signatures` checks with. Upstream's own answer, also an old one while
 * upstream fails; when it publishes none, those of the keyring, else npm's pinned ones. Without them npm refuses every
 * signed package of a mirror, and with them it can only find out more: a key makes nothing valid that its owner has not signed.
 */
import { CatalogError, isCatalogError, type Database, type Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import { nameIn, type Registries, type Registry } from '../upstream/registries.ts'
import { redactUrl } from '../http/redact-url.ts'
import { createSingleFlight } from '../single-flight.ts'
import { discard, readBody, type Upstream } from '../upstream/upstream.ts'
import { effectiveKeys, publishedForm, readKeyring, type Keyring } from './keyring.ts'

export interface SigningKeysDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly database: Database
  readonly log: Logger
}

export interface SigningKeys {
  /** @throws CatalogError NOT_FOUND when neither upstream nor the keyring has any */
  answer(exchange: Exchange): Promise<void>
}

export interface SigningKeysOptions {
  readonly maxAgeMs: number
  /** undefined: the pinned keys only. */
  readonly keyringPath: string | undefined
}

/** What upstream said: its keys, that it has none, or nothing of use. */
type Asked = { readonly keys: Buffer } | 'none' | 'failed'
type Source = 'upstream' | 'cache' | 'keyring'

const MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 15_000
const SCHEMA =
  'CREATE TABLE IF NOT EXISTS registry_keys (registry TEXT PRIMARY KEY, body TEXT NOT NULL, checked_ms INTEGER NOT NULL) STRICT'

export function createSigningKeys(
  deps: SigningKeysDependencies,
  options: SigningKeysOptions,
): SigningKeys {
  const { registries, upstream, database, log } = deps
  database.exec(SCHEMA)
  const sql = {
    find: database.prepare('SELECT body, checked_ms FROM registry_keys WHERE registry = ?'),
    save: database.prepare('INSERT OR REPLACE INTO registry_keys VALUES (?, ?, ?)'),
  }
  const flights = createSingleFlight<Asked>()

  async function ask(
    registry: Registry,
    client: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<Asked> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    try {
      const response = await upstream.request({
        url: new URL(`${registry.url}-/npm/v1/keys`),
        headers: { accept: 'application/json', 'accept-encoding': 'identity' },
        credentialsFor: (url) =>
          registries.owns(registry, url) ? (client ?? registries.credentialsFor(url)) : undefined,
        signal: limited,
      })
      if (response.status !== 200) {
        discard(response)
        return response.status >= 500 || response.status === 429 ? 'failed' : 'none'
      }
      const keys = await readBody(response, { maxBytes: MAX_BYTES, signal: limited })
      return hasKeys(keys) ? { keys } : 'none'
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const known = isCatalogError(error) || limited.aborted
      if (!known) throw error
      log.info('keys.upstream-failed', { registry: redactUrl(registry.url), reason: String(error) })
      return 'failed'
    }
  }

  async function find(
    exchange: Exchange,
    signal: AbortSignal,
  ): Promise<{ body: Buffer; source: Source }> {
    const about = nameIn(exchange.target.scope)
    const client = clientCredentials(registries, exchange, about)
    const registry = registries.forName(about)
    if (registry !== null) {
      const cached = sql.find.get(registry.url) as { body: string; checked_ms: number } | undefined
      const old = cached && { body: Buffer.from(cached.body), source: 'cache' as const }
      if (cached !== undefined && Date.now() - cached.checked_ms < options.maxAgeMs && old) {
        return old
      }
      const key = `${registry.url}\n${client?.fingerprint ?? ''}`
      const asked = upstream.isDown(registry.origin)
        ? 'failed'
        : await flights.run(key, (own) => ask(registry, client, own), signal)
      if (typeof asked === 'object') {
        sql.save.run(registry.url, asked.keys.toString('utf8'), Date.now())
        return { body: asked.keys, source: 'upstream' }
      }
      if (asked === 'failed' && old !== undefined) return old
    }
    const keys = effectiveKeys(await keyring(), registries.homeOf(about).url)
    if (keys.length === 0) throw noKeys()
    return { body: Buffer.from(JSON.stringify(publishedForm(keys))), source: 'keyring' }
  }

  async function keyring(): Promise<Keyring> {
    if (options.keyringPath === undefined) return new Map()
    try {
      return await readKeyring(options.keyringPath)
    } catch (error) {
      if (!isCatalogError(error)) throw error
      log.warn('keys.keyring-unreadable', { reason: error.message })
      return new Map()
    }
  }

  return {
    async answer(exchange) {
      const { req, res, signal } = exchange
      const { body, source } = await find(exchange, signal)
      res.statusCode = 200
      res.setHeader('content-type', 'application/json; charset=utf-8')
      res.setHeader('content-length', body.byteLength)
      res.setHeader('cache-control', 'no-cache')
      res.setHeader('x-catalog-keys', source)
      res.end(req.method === 'HEAD' ? undefined : body)
    },
  }
}

/** An empty list is how some registries say that they sign nothing. */
function hasKeys(body: Buffer): boolean {
  try {
    const { keys } = JSON.parse(body.toString('utf8')) as { keys?: unknown }
    return Array.isArray(keys) && keys.length > 0
  } catch {
    return false // some proxy's page
  }
}

function noKeys(): CatalogError {
  return new CatalogError('NOT_FOUND', 'this registry publishes no signing keys', {
    hint: 'the keyring says so: see "catalog keys list"',
  })
}
