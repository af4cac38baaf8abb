/** The registry behind us as a source of metadata: one conditional request. */
import { lifetimeOf } from './freshness.ts'
import type { PackumentKind } from './packument-cache.ts'
import type { PackumentSource, Validators } from './packument-source.ts'
import { parseContentEncoding, type ContentCoding } from '../upstream/content-coding.ts'
import {
  discard,
  readBody,
  rejected,
  unreachable,
  unusable,
  type Upstream,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

const ACCEPT: Record<PackumentKind, string> = {
  full: 'application/json',
  abbreviated: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
}
const MAX_ERROR_BYTES = 64 * 1024

export function createUpstreamSource(
  upstream: Upstream,
  { maxBytes }: { maxBytes: number },
): PackumentSource {
  return {
    async fetch({ registry, name, kind, validators, credentialsAt, retries, signal }) {
      const response = await upstream.request({
        url: new URL(registry.url + name.replace('/', '%2f')),
        headers: { accept: ACCEPT[kind], 'accept-encoding': 'gzip', ...conditions(validators) },
        credentialsFor: credentialsAt,
        ...(retries !== undefined && { retries }),
        signal,
      })
      const { status, headers, url } = response
      const lifetimeMs = lifetimeOf(headers)
      if (status === 304 && validators !== undefined) {
        discard(response)
        return { status: 'unchanged', lifetimeMs }
      }
      if (status !== 200) throw await refusal(response, name, signal)
      const codings = codingsOf(response, name)
      const body = await readBody(response, { maxBytes, signal, counts: upstream.counts })
      const { etag, 'last-modified': lastModified } = headers
      return { status: 'document', body, codings, etag, lastModified, lifetimeMs, url }
    },
  }
}

function conditions(validators: Validators | undefined): Record<string, string> {
  if (validators?.etag !== undefined) return { 'if-none-match': validators.etag }
  if (validators?.lastModified !== undefined) {
    return { 'if-modified-since': validators.lastModified }
  }
  return {}
}

function codingsOf(response: UpstreamResponse, name: string): readonly ContentCoding[] {
  try {
    return parseContentEncoding(response.headers['content-encoding'])
  } catch (error) {
    discard(response)
    throw unusable(response.url, `${name}: its metadata cannot be read`, error)
  }
}

async function refusal(
  response: UpstreamResponse,
  name: string,
  signal: AbortSignal,
): Promise<Error> {
  const { status, url } = response
  if (status >= 500 || status === 429) {
    discard(response)
    return unreachable(url, new Error(`it answered ${status}`))
  }
  const body = await readBody(response, { maxBytes: MAX_ERROR_BYTES, signal }).catch(
    () => Buffer.alloc(0), // the status says enough
  )
  return rejected(url, `${name}: upstream answered ${status}`, { status, text: errorText(body) })
}

function errorText(body: Buffer): string | undefined {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { error?: unknown; message?: unknown }
    const text = parsed.error ?? parsed.message
    return typeof text === 'string' ? text.slice(0, 500) : undefined
  } catch {
    return undefined // not JSON: some proxy's page
  }
}
