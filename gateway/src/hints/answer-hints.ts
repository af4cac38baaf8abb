/**
 * POST /-/catalog/hints: what the plugins of pnpm, Bun and Yarn know of a project before its packages are fetched. Needs no
 * token (client-post.ts), because it gives nothing that a plain GET of a tarball would not: a list does nothing until its
 * client fetches, and says nothing of what is here.
 */
import { z } from 'zod'
import { parseBody } from '../http/json-body.ts'
import type { Exchange } from '../http/exchange.ts'
import { readClientPost } from '../http/client-post.ts'
import { sendJson } from '../http/respond.ts'
import { isPackageName, isVersion } from '../http/route.ts'
import type { Hints } from './hints.ts'

/** 10,000 packages with their integrity. */
const MAX_BODY_BYTES = 2 * 1024 * 1024

const schema = z.object({
  packages: z.array(
    z.object({
      name: z.string().refine(isPackageName, 'is not a package name'),
      version: z.string().refine(isVersion, 'is not a version'),
      integrity: z.string().max(1024).optional(),
    }),
  ),
})

/** @throws CatalogError INVALID_OPTIONS */
export async function answerHints(hints: Hints, exchange: Exchange): Promise<void> {
  const { packages } = parseBody(schema, await readClientPost(exchange, MAX_BODY_BYTES))
  const { req, res } = exchange
  sendJson(req, res, { status: 202, body: { accepted: hints.offer(packages) } })
}
