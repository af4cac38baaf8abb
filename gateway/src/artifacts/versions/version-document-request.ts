/**
 * One request for a version's own document (`GET /name/1.2.3`), and what it says of the version. Trusts only what the registry
 * itself answered: no redirect's target, no page, no document of another version.
 */
import { findDigest, isCatalogError } from '@catalog-p2p/core'
import { isObject } from '../../is-object.ts'
import type { Viewer } from '../../packuments/packument-service.ts'
import { packSignatures, type VersionFacts } from '../../packuments/document/version-lines.ts'
import type { Registries, Registry } from '../../upstream/registries.ts'
import {
  discard,
  readBody,
  unreachable,
  type Upstream,
  type UpstreamResponse,
} from '../../upstream/upstream.ts'

export interface VersionDocumentSource {
  readonly upstream: Pick<Upstream, 'request' | 'counts'>
  readonly registries: Pick<Registries, 'credentialsAt'>
}

export interface VersionDocumentRequest {
  readonly registry: Registry
  readonly name: string
  readonly version: string
  readonly viewer: Viewer
  /** Shows no credentials, whatever there are. */
  readonly isStranger?: boolean
  /** Further tries, instead of the default. */
  readonly retries?: number
  readonly signal: AbortSignal
}

/** `none`: the registry has no such document; `unhashed`: it has, with no sha512; `failed`: it could not give it. */
export type VersionDocumentAnswer =
  | { readonly facts: VersionFacts; readonly withCredentials: boolean }
  | 'none'
  | 'unhashed'
  | 'failed'

/** A version's document has some KB; what is longer is not parsed on this thread. */
const MAX_BYTES = 256 * 1024

/** @throws CatalogError UPSTREAM_UNREACHABLE, also while the registry asks for fewer requests */
export async function requestVersionDocument(
  { upstream, registries }: VersionDocumentSource,
  question: VersionDocumentRequest,
): Promise<VersionDocumentAnswer> {
  const { registry, name, version, viewer, isStranger = false, retries, signal } = question
  const url = new URL(`${registry.url}${name.replace('/', '%2f')}/${encodeURIComponent(version)}`)
  const response = await upstream.request({
    url,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    credentialsFor: (hop) =>
      isStranger ? undefined : registries.credentialsAt(registry, hop, viewer.credentials),
    certificate: !isStranger,
    ...(retries !== undefined && { retries }),
    signal,
  })
  const { status } = response
  if (!isOwnDocument(response, registry)) {
    discard(response)
    if (status === 429) throw unreachable(url, new Error(`it answered ${status}`))
    return status >= 500 ? 'failed' : 'none'
  }
  try {
    const body = await readBody(response, { maxBytes: MAX_BYTES, signal, counts: upstream.counts })
    const facts = parse(body, name, version)
    if (facts === undefined) return 'none'
    if (findDigest(facts.integrity) === undefined) return 'unhashed'
    return { facts, withCredentials: response.withCredentials }
  } catch (error) {
    if (isCatalogError(error, 'UPSTREAM_REJECTED')) return 'none' // too long
    throw error
  }
}

/** What another host says, after a redirect, is not this registry's word. */
function isOwnDocument({ status, headers, url }: UpstreamResponse, registry: Registry): boolean {
  return (
    status === 200 && url.origin === registry.origin && headers['content-encoding'] === undefined
  )
}

/** undefined: it is no document of that version. */
function parse(body: Buffer, name: string, version: string): VersionFacts | undefined {
  let document: unknown
  try {
    document = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined // some page
  }
  if (!isObject(document) || document.name !== name || document.version !== version) {
    return undefined
  }
  const { dist } = document
  if (!isObject(dist)) return undefined
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    version,
    integrity: text(dist.integrity),
    shasum: text(dist.shasum),
    tarball: text(dist.tarball),
    signatures: packSignatures(dist.signatures),
  }
}
