/** The registry behind us as a source of metadata: one conditional request. */
import { lifetimeOf } from './cache/freshness.ts'
import type { PackumentKind } from './cache/cached-document.ts'
import type { PackumentSource, Validators } from './packument-source.ts'
import { parseContentEncoding, type ContentCoding } from '../upstream/content-coding.ts'
import { refusalOf } from '../upstream/refusal.ts'
import {
  discard,
  readBody,
  unusable,
  type Upstream,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

const ACCEPT: Record<PackumentKind, string> = {
  full: 'application/json',
  abbreviated: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
}

export function createUpstreamSource(
  upstream: Upstream,
  { maxBytes }: { maxBytes: number },
): PackumentSource {
  return {
    by: 'registry',
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
      if (status !== 200) throw await refusalOf(response, { about: name, signal })
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
