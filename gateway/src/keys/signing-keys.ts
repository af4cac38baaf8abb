/**
 * GET /-/npm/v1/keys: the public keys that `npm audit signatures` checks with. Upstream's own answer, also an old one while
 * upstream fails; when it publishes none, those of the keyring, else npm's pinned ones. Without them npm refuses every
 * signed package of a mirror, and with them it can only find out more: a key makes nothing valid that its owner has not signed.
 * Where some packages are the network's, the gateway's own key stands beside them (gateway-signature.ts).
 */
import { CatalogError, type Database, type Logger } from '@catalog-p2p/core'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Trust } from '../trust/trust.ts'
import type { GatewaySignatures } from './gateway-signature.ts'
import { nameIn, type Registries, type Registry } from '../upstream/registries.ts'
import { createSingleFlight } from '../single-flight.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { effectiveKeys, publishedForm, readKeyringOrNone } from './keyring.ts'
import { requestSigningKeys, type SigningKeysAnswer } from './signing-keys-request.ts'

export interface SigningKeysDependencies {
  /** undefined: no package is the network's. */
  readonly own?: GatewaySignatures | undefined
  readonly trust: Pick<Trust, 'originOf' | 'entries'>
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

type Source = 'upstream' | 'cache' | 'keyring'

interface FoundKeys {
  readonly body: Buffer
  readonly source: Source
}

const SCHEMA =
  'CREATE TABLE IF NOT EXISTS registry_keys (registry TEXT PRIMARY KEY, body TEXT NOT NULL, checked_ms INTEGER NOT NULL) STRICT'

export function createSigningKeys(
  deps: SigningKeysDependencies,
  options: SigningKeysOptions,
): SigningKeys {
  const { registries, upstream, log, trust, own } = deps
  const kept = openKeptKeys(deps.database)
  const flights = createSingleFlight<SigningKeysAnswer>()

  async function find(exchange: Exchange): Promise<FoundKeys> {
    const about = nameIn(exchange.target.scope)
    const registry = registries.forName(about)
    const published = registry === null ? undefined : await findPublished(exchange, registry)
    if (published !== undefined) return published
    const keyring = await readKeyringOrNone(log, options.keyringPath)
    const keys = effectiveKeys(keyring, registries.homeOf(about).url)
    // The gateway's own may be all that there is.
    if (keys.length === 0 && (own === undefined || trust.entries().length === 0)) throw noKeys()
    return { body: Buffer.from(JSON.stringify(publishedForm(keys))), source: 'keyring' }
  }

  /** undefined: the registry has none, or could not be asked and has never given any. */
  async function findPublished(
    exchange: Exchange,
    registry: Registry,
  ): Promise<FoundKeys | undefined> {
    const client = clientCredentials(registries, exchange, nameIn(exchange.target.scope))
    const old = kept.find(registry.url)
    const cached = old && { body: old.body, source: 'cache' as const }
    if (old !== undefined && Date.now() - old.checkedMs < options.maxAgeMs) return cached
    const key = `${registry.url}\n${client?.fingerprint ?? ''}`
    const asked = upstream.isDown(registry.origin)
      ? 'failed'
      : await flights.run(
          key,
          (signal) => requestSigningKeys(deps, { registry, client }, signal),
          exchange.signal,
        )
    if (typeof asked === 'object') {
      kept.save(registry.url, asked.keys)
      return { body: asked.keys, source: 'upstream' }
    }
    return asked === 'failed' ? cached : undefined
  }

  return {
    async answer(exchange) {
      const { req, res } = exchange
      const scope = nameIn(exchange.target.scope)
      const isNetworks = scope !== undefined && trust.originOf(scope).kind === 'network'
      const found = isNetworks ? NO_KEYS : await find(exchange)
      const { source } = found
      const body = trust.entries().length === 0 ? found.body : withOwn(found.body, own)
      res.statusCode = 200
      res.setHeader('content-type', 'application/json; charset=utf-8')
      res.setHeader('content-length', body.byteLength)
      res.setHeader('cache-control', 'no-cache')
      res.setHeader('x-catalog-keys', source)
      res.end(req.method === 'HEAD' ? undefined : body)
    },
  }
}

const NO_KEYS: FoundKeys = { body: Buffer.from('{"keys":[]}'), source: 'keyring' }

/** Whatever else the registry says stays as it is. */
function withOwn(body: Buffer, own: GatewaySignatures | undefined): Buffer {
  if (own === undefined) return body
  const published = JSON.parse(body.toString('utf8')) as { keys: unknown[] }
  return Buffer.from(JSON.stringify({ ...published, keys: [...published.keys, own.key] }))
}

/** What each registry published last. */
function openKeptKeys(database: Database): {
  find(registry: string): { body: Buffer; checkedMs: number } | undefined
  save(registry: string, body: Buffer): void
} {
  database.exec(SCHEMA)
  const sql = {
    find: database.prepare('SELECT body, checked_ms FROM registry_keys WHERE registry = ?'),
    save: database.prepare('INSERT OR REPLACE INTO registry_keys VALUES (?, ?, ?)'),
  }
  return {
    find(registry) {
      const row = sql.find.get(registry) as { body: string; checked_ms: number } | undefined
      return row && { body: Buffer.from(row.body), checkedMs: row.checked_ms }
    },
    save: (registry, body) => void sql.save.run(registry, body.toString('utf8'), Date.now()),
  }
}

function noKeys(): CatalogError {
  return new CatalogError('NOT_FOUND', 'this registry publishes no signing keys', {
    hint: 'the keyring says so: see "catalog registry-keys list"',
  })
}
