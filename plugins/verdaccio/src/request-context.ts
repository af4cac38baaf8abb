/**
 * What the wrapped parts of Verdaccio need to know of the request they serve: Verdaccio gives an uplink nothing but a URL. The
 * context travels in AsyncLocalStorage, so nothing is guessed from URLs. Without a context a part works as it does without the
 * plugin, and guard-upload.ts checks what is stored.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

/** A tarball request over HTTP. */
export interface ClientRequest {
  /** The sha512 in the client's lockfile, which npm sends. */
  readonly digest: string | undefined
  /** The client is a catalog daemon. */
  readonly isDaemon: boolean
  /** Aborts when the client disconnects before the end. */
  readonly gone: AbortSignal
}

/** A tarball that Verdaccio was asked for. */
export interface TarballContext {
  readonly name: string
  readonly filename: string
  readonly client: ClientRequest | undefined
  /** Verdaccio's metadata of the package, once it has read it for this request. */
  manifest: unknown
  /**
   * Who downloads from the uplink: `unseen` not this plugin, `checked` this plugin, `unverifiable` this plugin, without a hash
   * to check. Only `checked` may be stored.
   */
  download: 'unseen' | 'checked' | 'unverifiable'
}

export interface Contexts {
  readonly clients: AsyncLocalStorage<ClientRequest>
  readonly tarballs: AsyncLocalStorage<TarballContext>
}

export function createContexts(): Contexts {
  return { clients: new AsyncLocalStorage(), tarballs: new AsyncLocalStorage() }
}
