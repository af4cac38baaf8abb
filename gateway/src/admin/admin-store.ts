/** POST /-/catalog/store/{verify,prune,pin}: what `catalog store` asks of a running daemon. */
import { z } from 'zod'
import { CatalogError, findDigest, type CatalogNode } from '@catalog-p2p/core'
import { parseBody } from '../http/json-body.ts'

const pruneBody = z.strictObject({ targetBytes: z.number().int().nonnegative().optional() })
const pinBody = z.strictObject({
  digests: z.array(z.string().max(1024)).min(1).max(100_000),
  pinned: z.boolean().default(true),
})

/** @throws CatalogError INVALID_OPTIONS for a bad body, NOT_FOUND for an action that does not exist */
export async function runStoreAction(
  node: CatalogNode,
  action: string,
  request: { body: unknown; signal: AbortSignal },
): Promise<unknown> {
  const { body, signal } = request
  switch (action) {
    case 'verify':
      return node.verify({ signal })
    case 'prune': {
      const { targetBytes } = parseBody(pruneBody, body)
      return node.prune({ signal, ...(targetBytes !== undefined && { targetBytes }) })
    }
    case 'pin': {
      const { digests, pinned } = parseBody(pinBody, body)
      return pin(node, digests, pinned)
    }
    default:
      throw new CatalogError('NOT_FOUND', `no such store action: ${action.slice(0, 40)}`)
  }
}

async function pin(
  node: CatalogNode,
  digests: readonly string[],
  pinned: boolean,
): Promise<unknown> {
  let changed = 0
  const missing: string[] = []
  for (const text of digests) {
    const digest = findDigest(text)
    if (digest !== undefined && (await node.pin(digest, pinned))) changed += 1
    else missing.push(text)
  }
  return { changed, missing }
}
