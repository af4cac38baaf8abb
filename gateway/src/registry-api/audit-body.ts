/**
 * The body of a bulk audit as the registry that is asked may see it: without names of packages that belong to another registry or
 * are private. npm sends every name of a project to the default registry. Never changes a body that names no such package.
 */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { CatalogError } from '@catalog-p2p/core'

const unzip = promisify(gunzip)
const zip = promisify(gzip)
/** A project of 5,000 packages sends 60 KB, 200 KB unpacked. Read on this thread, so no more. */
const MAX_BODY_BYTES = 512 * 1024
const MAX_UNPACKED_BYTES = 2 * 1024 * 1024

/** True for the request that names every package of a project. */
export function isBulkAudit(method: string | undefined, url: string | undefined): boolean {
  return method === 'POST' && url?.split('?', 1)[0] === '/-/npm/v1/security/advisories/bulk'
}

/**
 * What of `req`'s body may be sent, coded as it came.
 * @throws CatalogError INVALID_OPTIONS with `status` when it cannot be read: it is not sent unread
 */
export async function readAuditBody(
  req: IncomingMessage,
  mayName: (name: string) => boolean,
): Promise<Buffer> {
  const body = await readAll(req)
  const coding = req.headers['content-encoding'] ?? 'identity'
  if (coding !== 'gzip' && coding !== 'identity') throw unusable(415, `its coding is ${coding}`)
  const versions = await parse(body, coding)
  const entries = Object.entries(versions)
  const allowed = entries.filter(([name]) => mayName(name))
  if (allowed.length === entries.length) return body
  const text = Buffer.from(JSON.stringify(Object.fromEntries(allowed)))
  return coding === 'gzip' ? await zip(text) : text
}

async function readAll(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) throw unusable(413, `it is larger than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

async function parse(body: Buffer, coding: 'gzip' | 'identity'): Promise<object> {
  let found: unknown
  try {
    const text =
      coding === 'gzip' ? await unzip(body, { maxOutputLength: MAX_UNPACKED_BYTES }) : body
    found = JSON.parse(text.toString('utf8'))
  } catch {
    throw unusable(400, 'it cannot be read')
  }
  if (typeof found === 'object' && found !== null && !Array.isArray(found)) return found
  throw unusable(400, 'it is no list of packages')
}

function unusable(status: number, why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `the body of an audit: ${why}`, { status })
}
