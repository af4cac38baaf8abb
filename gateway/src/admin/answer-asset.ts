/** POST /-/catalog/asset/{info,bytes}: what `catalog info` and `catalog get` ask of a running daemon. For its owner. */
import { once } from 'node:events'
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import { parseAsset } from '../assets/parse-asset.ts'
import { resolveAsset, type AssetDependencies } from '../assets/resolve-asset.ts'
import type { Exchange } from '../http/exchange.ts'
import { parseBody } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'
import type { Network } from '../publishing/network.ts'

const bodySchema = z.strictObject({ asset: z.string().min(1).max(1_000) })

/** @throws CatalogError INVALID_OPTIONS for a bad body, NOT_FOUND for an action that does not exist, and what resolving throws */
export async function answerAsset(
  deps: AssetDependencies & { readonly network: Pick<Network, 'isPrivate'> },
  action: string,
  { exchange, body }: { exchange: Exchange; body: unknown },
): Promise<void> {
  const { req, res, signal } = exchange
  const wanted = parseAsset(parseBody(bodySchema, body).asset)
  const info = await resolveAsset(deps, wanted, signal)
  if (action === 'info') return sendJson(req, res, { status: 200, body: info })
  if (action !== 'bytes') {
    throw new CatalogError('NOT_FOUND', `no such asset action: ${action.slice(0, 40)}`)
  }
  // The release is here; peers hear of no private name, not even by the hash of its bytes.
  const peers = !deps.network.isPrivate(info.name)
  const artifact = await deps.node.get(info.digest, { signal, peers })
  res.setHeader('content-type', 'application/octet-stream')
  res.setHeader('content-length', info.size)
  for await (const chunk of artifact.body) {
    if (!res.write(chunk)) await once(res, 'drain', { signal })
  }
  res.end()
}
