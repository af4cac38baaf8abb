/**
 * Something that can be asked for a package's metadata: the registry behind us (upstream-source.ts) or peers
 * (peers/peer-source.ts). A source says what came. It keeps nothing: packument-fetch.ts does.
 */
import type { Credentials } from '../upstream/credentials.ts'
import type { ContentCoding } from '../upstream/content-coding.ts'
import type { Registry } from '../upstream/registries.ts'
import type { SaidBy, PackumentKind } from './cache/cached-document.ts'
import type { WitnessVerdict } from './witness/verdict.ts'

/** What tells whether a document is still the source's own (RFC 9110 8.8). */
export interface Validators {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
}

/** The document at hand. */
export interface KnownDocument extends Validators {
  /** Of its text. */
  readonly hash?: string
  /** The machine of our certified swarm that gave it; undefined: the source itself did. */
  readonly member?: string | undefined
}

export interface SourceRequest {
  readonly registry: Registry
  readonly name: string
  readonly kind: PackumentKind
  /** Of the document at hand, to hear no more than that it is current. */
  readonly validators: KnownDocument | undefined
  /** Asked instead of the registry where that is the source: the machine that asks it for all of a certified swarm. */
  readonly delegate?: string | undefined
  /** What to show at a URL, of a redirect for example; undefined: asks as anybody would. */
  readonly credentialsAt: (url: URL) => Credentials | undefined
  readonly retries: number | undefined
  readonly signal: AbortSignal
}

export type Received = ReceivedDocument | Confirmation

export interface ReceivedDocument extends Validators {
  readonly status: 'document'
  readonly body: Buffer
  /** Of the body, in the order in which they were applied. */
  readonly codings: readonly ContentCoding[]
  readonly lifetimeMs: number | undefined
  /** Where it came from, after redirects. */
  readonly url: URL
  /** As a machine of our certified swarm says the registry gave it, in a form that it may have chosen. */
  readonly member?: string
  /** undefined: of the kind that was asked for. */
  readonly kind?: PackumentKind
  /** It is peers' word: what they had of it, and when the registry last gave it to one of them (Unix time, milliseconds). */
  readonly fromPeers?: {
    readonly kind: PackumentKind
    readonly fetchedAtMs: number
    readonly witness: WitnessVerdict | undefined
  }
}

/** The document whose validators were sent is the current one. */
export interface Confirmation {
  readonly status: 'unchanged'
  readonly lifetimeMs: number | undefined
  /** Peers say so: when the registry last gave it to one of them, as they say (Unix time, milliseconds). */
  readonly peerFetchedAtMs?: number
  /** A machine of our certified swarm says so. */
  readonly member?: string
}

export interface PackumentSource {
  readonly by: SaidBy
  /** @throws CatalogError UPSTREAM_UNREACHABLE (5xx too), UPSTREAM_REJECTED with `status`; `signal.reason` when aborted */
  fetch(request: SourceRequest): Promise<Received>
}
