/**
 * What the wrapped parts of Verdaccio need to know of the request they work for: Verdaccio hands an uplink nothing but a URL.
 * Carried along by the runtime (AsyncLocalStorage), so nothing is guessed from URLs. A part that finds no context works as
 * it did without us, and the storage then checks what it is given.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

/** A tarball request over HTTP. */
export interface ClientRequest {
  /** The sha512 that the client expects, from its lockfile: npm says it. */
  readonly digest: string | undefined
  /** A catalog daemon asks, on behalf of whom it would be asked again. */
  readonly isDaemon: boolean
  /** Aborts when the client has gone before the end. */
  readonly gone: AbortSignal
}

/** A tarball that Verdaccio was asked for. */
export interface TarballContext {
  readonly name: string
  readonly filename: string
  readonly client: ClientRequest | undefined
  /** Verdaccio's metadata of the package, as it has read it for this request. */
  manifest: unknown
  /**
   * How the uplink's download came to be: `unseen` not through us, `checked` by us, `unverifiable` because nothing names its
   * hash. Only what was checked may be stored.
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
