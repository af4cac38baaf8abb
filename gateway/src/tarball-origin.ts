/**
 * A registry's tarball as an Origin of the node: bytes as they come, continued with a Range request when the connection
 * breaks. Never checks them: the node, or whoever reads to the end, does that.
 */
import type { Origin } from '@catalog-p2p/core'
import type { Credentials } from './credentials.ts'
import {
  discard,
  rejected,
  unreachable,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse,
} from './upstream.ts'

export interface TarballOrigin extends Origin {
  /** False while another caller's download is shared and upstream was never asked on behalf of this one. */
  readonly asked: boolean
  /** Upstream has answered 200 to this very request: to somebody with credentials, or to anyone. */
  readonly givenTo: 'owner' | 'anyone' | undefined
}

export interface TarballOriginOptions {
  readonly url: () => Promise<URL>
  readonly visibility: Origin['visibility']
  readonly credentialsFor: ((url: URL) => Credentials | undefined) | undefined
}

const MAX_RESUMES = 3

export function createTarballOrigin(
  upstream: Upstream,
  options: TarballOriginOptions,
): TarballOrigin {
  let asked = false
  let givenTo: TarballOrigin['givenTo']
  return {
    visibility: options.visibility,
    get asked() {
      return asked
    },
    get givenTo() {
      return givenTo
    },
    async open({ signal }) {
      asked = true
      const url = await options.url()
      const { credentialsFor } = options
      const request = { url, signal, ...(credentialsFor && { credentialsFor }) }
      const response = await upstream.request({ ...request, headers: plain() })
      if (response.status !== 200) throw refusal(response)
      givenTo = response.withCredentials ? 'owner' : 'anyone'
      const length = response.headers['content-length']
      const size = length === undefined ? undefined : Number(length)
      return {
        ...(size !== undefined && { size }),
        body: readOn(upstream, request, response, size),
      }
    },
  }
}

async function* readOn(
  upstream: Upstream,
  request: UpstreamRequest,
  first: UpstreamResponse,
  size: number | undefined,
): AsyncGenerator<Buffer, void> {
  const { etag } = first.headers
  let response = first
  let received = 0
  // Bytes of this response that were delivered already: a server without ranges begins again.
  let skip = 0
  for (let resumes = 0; ; resumes += 1) {
    let failure: unknown
    try {
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        upstream.counts.bytes += chunk.byteLength
        const fresh = chunk.subarray(Math.min(skip, chunk.byteLength))
        skip -= chunk.byteLength - fresh.byteLength
        received += fresh.byteLength
        if (fresh.byteLength > 0) yield fresh
      }
      if (size === undefined || received >= size) return
      failure = new Error(`${received} of ${size} bytes came`)
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      failure = error
    }
    if (resumes >= MAX_RESUMES) throw unreachable(request.url, failure)
    // If-Range: should it have changed in between, all of it comes anew and the digest decides.
    const range = { range: `bytes=${received}-`, ...(etag !== undefined && { 'if-range': etag }) }
    response = await upstream.request({ ...request, headers: { ...plain(), ...range } })
    skip = skipOf(response, received)
  }
}

function skipOf(response: UpstreamResponse, received: number): number {
  if (response.status === 200) return received
  const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]
  if (response.status === 206 && Number(start) === received) return 0
  throw refusal(response)
}

function refusal(response: UpstreamResponse): Error {
  discard(response)
  const { status, url } = response
  if (status >= 500 || status === 429) return unreachable(url, new Error(`it answered ${status}`))
  return rejected(url, `upstream answered ${status}`, { status })
}

function plain(): Record<string, string> {
  return { accept: '*/*', 'accept-encoding': 'identity' }
}
