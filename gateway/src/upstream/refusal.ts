/**
 * A registry's refusal as an error: its status, and what it said of the reason, in every place where registries say it, so that
 * the client tells its user the same as without us. Never takes more of the body than an error may have.
 */
import { STATUS_CODES } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { CatalogError } from '@catalog-p2p/core'
import { readBody, rejected, type UpstreamResponse } from './upstream.ts'

const unzip = promisify(gunzip)
const MAX_BYTES = 64 * 1024
const MAX_CHARACTERS = 500

/**
 * UPSTREAM_UNREACHABLE for its own troubles (5xx, 429), as somebody else may have what was asked for; else UPSTREAM_REJECTED.
 * Rejects with the signal's reason.
 * @param about what was asked for, in a word
 */
export async function refusalOf(
  response: UpstreamResponse,
  { about, signal }: { about: string; signal: AbortSignal },
): Promise<CatalogError> {
  const { status, url, headers, statusText } = response
  const body = await readBody(response, { maxBytes: MAX_BYTES, signal }).catch(() => {
    signal.throwIfAborted()
    return Buffer.alloc(0) // the status says enough
  })
  const ownPhrase = statusText === STATUS_CODES[status] ? undefined : statusText || undefined
  const text = textOf(await unpacked(body, headers['content-encoding'])) ?? ownPhrase
  const facts = {
    ...{ status, text, notice: headers['npm-notice'] },
    ...{ authenticate: headers['www-authenticate'], retryAfter: headers['retry-after'] },
  }
  const what = about === '' ? '' : `${about}: `
  if (status < 500 && status !== 429)
    return rejected(url, `${what}upstream answered ${status}`, facts)
  return new CatalogError('UPSTREAM_UNREACHABLE', `${what}${url.origin} answered ${status}`, facts)
}

async function unpacked(body: Buffer, coding: string | undefined): Promise<Buffer> {
  if (coding !== 'gzip') return body
  return unzip(body, { maxOutputLength: MAX_BYTES }).catch(() => Buffer.alloc(0))
}

/** In the words that npm's registry uses, and others after it; undefined for pages, or nothing. */
function textOf(body: Buffer): string | undefined {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { error?: unknown; message?: unknown }
    const found = [parsed.error, parsed.message].find((one) => typeof one === 'string')
    return typeof found === 'string' && found !== '' ? found.slice(0, MAX_CHARACTERS) : undefined
  } catch {
    return undefined // not JSON
  }
}
