/** JSON in a request's body: read up to a bound, then checked against a schema; all problems are in one message. */
import { CatalogError } from '@catalog-p2p/core'
import type { z } from 'zod'
import type { Exchange } from './exchange.ts'

/**
 * A JSON body of at most `maxBytes`; `hint`: what to do about one that is larger.
 * @throws CatalogError INVALID_OPTIONS
 */
export async function readJson(
  exchange: Exchange,
  maxBytes: number,
  hint?: string,
): Promise<unknown> {
  const { req } = exchange
  // A web page can send a form or plain text to localhost unasked, but not this.
  if (!/^application\/json\b/.test(req.headers['content-type'] ?? '')) {
    throw new CatalogError('INVALID_OPTIONS', 'the body must be application/json', { status: 415 })
  }
  const body = await readBody(exchange, maxBytes, hint)
  if (body.byteLength === 0) return {}
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', 'the body is not JSON', { cause: error })
  }
}

/** A body of any kind. @throws CatalogError INVALID_OPTIONS with status 413 */
export async function readBody(
  { req, signal }: Exchange,
  maxBytes: number,
  hint?: string,
): Promise<Buffer> {
  const tooLarge = () =>
    new CatalogError('INVALID_OPTIONS', `the body is larger than ${maxBytes} bytes`, {
      status: 413,
      ...(hint !== undefined && { hint }),
    })
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    signal.throwIfAborted()
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/** `at`: where `body` stands in the whole. @throws CatalogError INVALID_OPTIONS */
export function parseBody<T>(
  schema: z.ZodType<T>,
  body: unknown,
  at: readonly (string | number)[] = [],
): T {
  const parsed = schema.safeParse(body ?? {})
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues
    .slice(0, 10)
    .map((i) => `${[...at, ...i.path].join('.')}: ${i.message}`)
  throw new CatalogError('INVALID_OPTIONS', problems.join('; '))
}
