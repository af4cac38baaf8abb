/**
 * One request for the keys that a registry publishes. Says what came of it and throws only when the caller is gone: keys are an
 * addition, and their absence must not fail what is asked for beside them.
 */
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import { redactUrl } from '../http/redact-url.ts'
import type { Credentials } from '../upstream/credentials.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { discard, readBody, type Upstream } from '../upstream/upstream.ts'

/** Its keys, that it has none, or nothing of use. */
export type SigningKeysAnswer = { readonly keys: Buffer } | 'none' | 'failed'

const MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 15_000

export async function requestSigningKeys(
  { registries, upstream, log }: { registries: Registries; upstream: Upstream; log: Logger },
  { registry, client }: { registry: Registry; client: Credentials | undefined },
  signal: AbortSignal,
): Promise<SigningKeysAnswer> {
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

/** An empty list is how some registries say that they sign nothing. */
function hasKeys(body: Buffer): boolean {
  try {
    const { keys } = JSON.parse(body.toString('utf8')) as { keys?: unknown }
    return Array.isArray(keys) && keys.length > 0
  } catch {
    return false // some proxy's page
  }
}
