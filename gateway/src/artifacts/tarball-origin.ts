/**
 * A registry's tarball as an Origin of the node: bytes as they come, continued with a Range request when the connection
 * breaks or trickles, without a content coding that nobody asked for. Never checks them: the node, or whoever reads to the
 * end, does that.
 */
import { pipeline, Readable } from 'node:stream'
import { isCatalogError, type Origin } from '@catalog-p2p/core'
import { readChunks } from '../upstream/read-chunks.ts'
import { createTarballStallGuard } from '../upstream/stall-guard.ts'
import type { Credentials } from '../upstream/credentials.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { refusalOf } from '../upstream/refusal.ts'
import {
  contentDecoders,
  decodesToGzip,
  HEAD_BYTES,
  parseContentEncoding,
  type ContentCoding,
} from '../upstream/content-coding.ts'
import {
  discard,
  unreachable,
  unusable,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

export interface TarballOrigin extends Origin {
  /** False while another caller's download is shared and upstream was never asked on behalf of this one. */
  readonly asked: boolean
  /** Upstream has answered 200 to this very request: to somebody with credentials, or to anyone. */
  readonly givenTo: 'owner' | 'anyone' | undefined
}

/** An answer of the registry that is on its way. */
export interface OpenedTarball {
  /** It, for whoever asks first; undefined: it is not of that URL, or is gone. It ends with `signal`. */
  take(url: URL, signal: AbortSignal): Promise<UpstreamResponse> | undefined
}

export interface TarballOriginOptions {
  readonly url: () => Promise<URL>
  readonly visibility: Origin['visibility']
  readonly credentialsFor: ((url: URL) => Credentials | undefined) | undefined
  /** Read in place of a request of its own. */
  readonly opened?: OpenedTarball | undefined
  /** Milliseconds of a clock that only goes forward; the default is this machine's. */
  readonly now?: () => number
}

const MAX_RESUMES = 3
/** Read without holding the registry back. The node collects as much before it looks at it. */
export const SHORT_BYTES = 512 * 1024
/** Without its coding. What comes without one is bounded by what is kept of it. */
const MAX_DECODED_BYTES = 1024 * 1024 * 1024

export function createTarballOrigin(
  upstream: Upstream,
  options: TarballOriginOptions,
): TarballOrigin {
  return new RegistryTarball(upstream, options)
}

class RegistryTarball implements TarballOrigin {
  asked = false
  givenTo: TarballOrigin['givenTo']
  readonly visibility: Origin['visibility']
  readonly #upstream: Upstream
  readonly #options: TarballOriginOptions

  constructor(upstream: Upstream, options: TarballOriginOptions) {
    this.visibility = options.visibility
    this.#upstream = upstream
    this.#options = options
  }

  async open({ signal }: { signal: AbortSignal }): ReturnType<Origin['open']> {
    this.asked = true
    const url = await this.#options.url()
    const { credentialsFor, now = monotonic } = this.#options
    const request = { url, signal, ...(credentialsFor && { credentialsFor }) }
    const asking =
      this.#options.opened?.take(url, signal) ??
      this.#upstream.request({ ...request, headers: tarballHeaders() })
    const response = await asking
    if (response.status !== 200) throw await refusalOf(response, { about: '', signal })
    this.givenTo = response.withCredentials ? 'owner' : 'anyone'
    const length = response.headers['content-length']
    const size = length === undefined ? undefined : Number(length)
    const codings = codingsOf(response)
    const body = readOn(this.#upstream, request, { first: response, size, now })
    if (codings.length > 0) return { body: withoutCodings(body, codings, url) }
    return { ...(size !== undefined && { size }), body }
  }
}

/** What goes to each place that a tarball of `registry` is asked of, for whoever has `own` credentials there. */
export function tarballCredentials(
  registries: Registries,
  registry: Registry,
  own: Credentials | undefined,
): (url: URL) => Credentials | undefined {
  return (url) => {
    // Most have none, and need not take URLs apart for every request.
    if (own === undefined && !registries.hasCredentials()) return undefined
    return registries.owns(registry, url)
      ? registries.credentialsAt(registry, url, own)
      : registries.credentialsFor(url)
  }
}

function codingsOf(response: UpstreamResponse): readonly ContentCoding[] {
  try {
    return parseContentEncoding(response.headers['content-encoding'])
  } catch (error) {
    discard(response)
    throw unusable(response.url, 'its bytes cannot be read', error)
  }
}

/**
 * The tarball itself, as clients read it. Where the coding is the tarball's own compression there is nothing to undo.
 * @throws CatalogError UPSTREAM_UNREACHABLE when it is not what its coding says, UPSTREAM_REJECTED when it unfolds to too much
 */
async function* withoutCodings(
  body: AsyncGenerator<Buffer, void>,
  codings: readonly ContentCoding[],
  url: URL,
): AsyncGenerator<Buffer, void> {
  const head = await takeHead(body)
  async function* whole(): AsyncGenerator<Buffer, void> {
    yield head
    yield* body
  }
  if (!decodesToGzip(head, codings)) return yield* whole()
  const decoders = contentDecoders(codings)
  // Its outcome is that of the last stream, which is read here.
  pipeline([Readable.from(whole()), ...decoders], () => undefined)
  let size = 0
  try {
    for await (const chunk of decoders.at(-1) as AsyncIterable<Buffer>) {
      size += chunk.byteLength
      if (size > MAX_DECODED_BYTES) throw unusable(url, `more than ${MAX_DECODED_BYTES} bytes`)
      yield chunk
    }
  } catch (error) {
    throw isCatalogError(error) ? error : unreachable(url, error)
  }
}

async function takeHead(body: AsyncGenerator<Buffer, void>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  while (size < HEAD_BYTES) {
    const { done, value } = await body.next()
    if (done === true) break
    chunks.push(value)
    size += value.byteLength
  }
  return Buffer.concat(chunks, size)
}

function monotonic(): number {
  return performance.now()
}

/** @throws CatalogError UPSTREAM_UNREACHABLE when less comes than the pace of a tarball wants */
async function* atPace(
  response: UpstreamResponse,
  now: () => number,
): AsyncGenerator<Buffer, void> {
  const guard = createTarballStallGuard(response.silenceMs)
  let waitedMs = 0
  let askedMs = now()
  let tooSlow: string | undefined
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    // Only now: it might have been the last one.
    if (tooSlow !== undefined) throw unreachable(response.url, new Error(tooSlow))
    waitedMs += now() - askedMs
    tooSlow = guard.record(chunk.byteLength, waitedMs)
    yield chunk
    askedMs = now()
  }
}

interface Whole {
  /** What has come; undefined: nothing. */
  readonly bytes: Buffer | undefined
  /** Why it broke off before its end. */
  readonly failure: Error | undefined
}

/** The same of a short body, in one piece. */
async function readWhole(response: UpstreamResponse, now: () => number): Promise<Whole> {
  const guard = createTarballStallGuard(response.silenceMs)
  const startedMs = now()
  const chunks: Buffer[] = []
  let tooSlow: string | undefined
  let failure: Error | undefined
  try {
    await readChunks(response.body, (chunk) => {
      if (tooSlow !== undefined) throw unreachable(response.url, new Error(tooSlow))
      tooSlow = guard.record(chunk.byteLength, now() - startedMs)
      chunks.push(chunk)
    })
  } catch (error) {
    failure = error as Error
  }
  const [first] = chunks
  const bytes = chunks.length > 1 ? Buffer.concat(chunks) : first
  return { bytes, failure }
}

async function* readOn(
  upstream: Upstream,
  request: UpstreamRequest,
  { first, size, now }: { first: UpstreamResponse; size: number | undefined; now: () => number },
): AsyncGenerator<Buffer, void> {
  const { etag } = first.headers
  const isShort = size !== undefined && size <= SHORT_BYTES
  let response = first
  let received = 0
  // Bytes of this response that were delivered already: a server without ranges begins again.
  let skip = 0
  /** What of a chunk is new. */
  const take = (chunk: Buffer): Buffer => {
    upstream.counts.bytes += chunk.byteLength
    const fresh = chunk.subarray(Math.min(skip, chunk.byteLength))
    skip -= chunk.byteLength - fresh.byteLength
    received += fresh.byteLength
    return fresh
  }
  for (let resumes = 0; ; resumes += 1) {
    let failure: unknown
    try {
      if (isShort) {
        const { bytes, failure: why } = await readWhole(response, now)
        const fresh = bytes && take(bytes)
        if (fresh !== undefined && fresh.byteLength > 0) yield fresh
        if (why !== undefined) throw why
      } else {
        for await (const chunk of atPace(response, now)) {
          const fresh = take(chunk)
          if (fresh.byteLength > 0) yield fresh
        }
      }
      if (size === undefined || received >= size) return
      failure = new Error(`${received} of ${size} bytes came`)
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      failure = error
    }
    if (resumes >= MAX_RESUMES)
      throw isCatalogError(failure) ? failure : unreachable(request.url, failure)
    // If-Range: should it have changed in between, all of it comes anew and the digest decides.
    const range = { range: `bytes=${received}-`, ...(etag !== undefined && { 'if-range': etag }) }
    response = await upstream.request({ ...request, headers: { ...tarballHeaders(), ...range } })
    const offset = skipOf(response, received)
    if (offset === undefined) throw await refusalOf(response, { about: '', signal: request.signal })
    skip = offset
  }
}

/** undefined: it is no answer to go on with. */
function skipOf(response: UpstreamResponse, received: number): number | undefined {
  if (response.status === 200) return received
  const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]
  if (response.status === 206 && Number(start) === received) return 0
  return undefined
}

export function tarballHeaders(): Record<string, string> {
  return { accept: '*/*', 'accept-encoding': 'identity' }
}
