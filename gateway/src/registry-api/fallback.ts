/** Small registry calls that upstream answers, and that we can answer ourselves when it does not. */
import { isCatalogError } from '@catalog-p2p/core'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Packuments } from '../packuments/packument-service.ts'
import {
  passThrough,
  type PassthroughDependencies,
  type PassthroughOptions,
} from './passthrough.ts'
import { nameIn } from '../upstream/registries.ts'
import { sendJson } from '../http/respond.ts'
import type { VersionIndex } from '../packuments/version-index.ts'

export interface FallbackDependencies extends PassthroughDependencies {
  readonly packuments: Packuments
  readonly index: VersionIndex
}

/** GET /-/ping: upstream's answer, else our own: the registry that the client talks to is there. */
export async function answerPing(
  deps: FallbackDependencies,
  options: PassthroughOptions,
  exchange: Exchange,
): Promise<void> {
  const { req, res } = exchange
  if (await answeredByUpstream(deps, options, { exchange, name: undefined })) return
  sendJson(req, res, { status: 200, body: {} })
}

/** GET /-/package/NAME/dist-tags: upstream's answer, else those of the metadata at hand. */
export async function answerDistTags(
  deps: FallbackDependencies,
  options: PassthroughOptions,
  { exchange, name }: { exchange: Exchange; name: string },
): Promise<void> {
  const { req, res, signal } = exchange
  if (await answeredByUpstream(deps, options, { exchange, name })) return
  const client = clientCredentials(deps.registries, exchange, name)
  // Fails with the right error when nothing is known.
  await deps.packuments.get({ name, kind: 'abbreviated', client, signal })
  const { owners } = deps.packuments.viewer(name, client)
  const registry = deps.registries.forName(name)?.url
  const query = { registry, name, version: undefined, file: undefined, owners }
  const tags = await deps.index.distTags(query)
  sendJson(req, res, { status: 200, body: JSON.parse(tags?.toString('utf8') ?? '{}') as unknown })
}

/** Whether upstream was there; then the request is answered. */
export async function answeredByUpstream(
  deps: PassthroughDependencies,
  options: PassthroughOptions,
  ask: { exchange: Exchange; name: string | undefined },
): Promise<boolean> {
  const registry = deps.registries.forName(ask.name ?? nameIn(ask.exchange.target.scope))
  if (registry === null || deps.upstream.isDown(registry.origin)) return false
  try {
    await passThrough(deps, options, ask)
    return true
  } catch (error) {
    if (ask.exchange.res.headersSent || !isCatalogError(error, 'UPSTREAM_UNREACHABLE')) throw error
    return false
  }
}
