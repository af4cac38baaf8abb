/** What a registry answers to /-/npm/v1/keys, asked directly with npm's own proxies, authorities and credentials. */
import { CatalogError } from '@catalog-p2p/core'
import { createDispatcher } from '../upstream/dispatcher.ts'
import type { Environment, NpmConfig } from '../upstream/npmrc.ts'
import type { Registries } from '../upstream/registries.ts'
import { createUpstream, readBody, rejected } from '../upstream/upstream.ts'

const MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 15_000

/** @throws CatalogError UPSTREAM_UNREACHABLE, UPSTREAM_REJECTED */
export async function fetchRegistryKeys(
  deps: { registries: Registries; npm: NpmConfig; env: Environment },
  registry: string,
  { signal }: { signal: AbortSignal },
): Promise<unknown> {
  const limits = { connectTimeoutMs: TIMEOUT_MS, maxSockets: 1 }
  const upstream = createUpstream(
    { dispatcher: createDispatcher(deps.npm, deps.env, limits) },
    { timeoutMs: TIMEOUT_MS, retries: 1, userAgent: `catalog-p2p node/${process.version}` },
  )
  try {
    const url = new URL('-/npm/v1/keys', registry)
    const response = await upstream.request({
      url,
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      credentialsFor: (hop) => deps.registries.credentialsFor(hop),
      signal,
    })
    const body = await readBody(response, { maxBytes: MAX_BYTES, signal })
    if (response.status !== 200) {
      throw rejected(url, `it answered ${response.status}`, {
        hint: 'it may publish no keys; import them from a file',
      })
    }
    return parse(url, body)
  } finally {
    await upstream.close()
  }
}

function parse(url: URL, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (error) {
    throw new CatalogError('UPSTREAM_REJECTED', `${url.href}: what it answered is not JSON`, {
      cause: error,
    })
  }
}
