/**
 * The POSTs that need no token, because they give nothing that a plain GET or PUT to this gateway would not: what programs
 * of this machine tell it. Web pages are kept out by Host and Origin (host-check.ts), by the content type, and by a header
 * that only programs can set.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from './exchange.ts'
import { readJson } from './json-body.ts'

/**
 * Its JSON body, of at most `maxBytes`.
 * @throws CatalogError INVALID_OPTIONS
 */
export function readClientPost(exchange: Exchange, maxBytes: number): Promise<unknown> {
  const { req } = exchange
  if (req.method !== 'POST') {
    throw new CatalogError('INVALID_OPTIONS', 'only POST here', { status: 405 })
  }
  if (req.headers['x-catalog-client'] === undefined) {
    throw new CatalogError('INVALID_OPTIONS', 'x-catalog-client is missing', {
      status: 403,
      hint: 'it names the program that sends this',
    })
  }
  return readJson(exchange, maxBytes)
}
