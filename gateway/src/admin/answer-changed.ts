/**
 * POST /-/catalog/changed: a program of this machine has changed packages at their registry without going through this
 * gateway (Yarn with our plugin publishes so). What is cached of them is asked for anew before it is used again, as after a
 * change that was passed through (own-writes.ts). Nothing is fetched because of it, and nothing is said of what is cached.
 */
import { z } from 'zod'
import { parseBody } from '../http/json-body.ts'
import type { Exchange } from '../http/exchange.ts'
import { readClientPost } from '../http/client-post.ts'
import { sendJson } from '../http/respond.ts'
import { isPackageName } from '../http/route.ts'
import type { OwnWriteDependencies } from '../registry-api/own-writes.ts'

const MAX_BODY_BYTES = 256 * 1024

const schema = z.object({
  names: z.array(z.string().refine(isPackageName, 'is not a package name')).max(1000),
  /** It was about a package, and only the registry knows which: a staged version that was approved. */
  unnamed: z.boolean().default(false),
})

/** @throws CatalogError INVALID_OPTIONS */
export async function answerChanged(
  { cache, artifacts, kept }: OwnWriteDependencies,
  exchange: Exchange,
): Promise<void> {
  const { names, unnamed } = parseBody(schema, await readClientPost(exchange, MAX_BODY_BYTES))
  for (const name of names) {
    artifacts.forgetVersions(name)
    kept.forget(name)
    cache.expire(name)
  }
  if (unnamed) cache.expireAll()
  sendJson(exchange.req, exchange.res, { status: 202, body: { noted: names.length } })
}
