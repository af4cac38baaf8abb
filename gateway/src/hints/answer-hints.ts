/**
 * POST /-/catalog/hints: what the plugins of pnpm, Bun and Yarn know of a project before its packages are fetched. Needs no
 * token, because it gives nothing that a plain GET of a tarball would not: a list does nothing until its client fetches, and
 * says nothing of what is here. Web pages are kept out by Host and Origin (host-check.ts), by the content type, and by a
 * header that only programs can set.
 */
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import { parseBody } from '../admin-store.ts'
import type { Exchange } from '../exchange.ts'
import { readJson } from '../prefetch.ts'
import { sendJson } from '../respond.ts'
import { isPackageName, isVersion } from '../route.ts'
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
  const { req, res } = exchange
  if (req.method !== 'POST') {
    throw new CatalogError('INVALID_OPTIONS', 'only POST here', { status: 405 })
  }
  if (req.headers['x-catalog-client'] === undefined) {
    throw new CatalogError('INVALID_OPTIONS', 'x-catalog-client is missing', {
      status: 403,
      hint: 'it names the program that sends the hints',
    })
  }
  const { packages } = parseBody(schema, await readJson(exchange, MAX_BODY_BYTES))
  sendJson(req, res, { status: 202, body: { accepted: hints.offer(packages) } })
}
