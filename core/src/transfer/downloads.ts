/**
 * The downloads under way: one per digest, shared by all callers that want it, and cancelled when the last of them has given
 * up. A caller that must not ask peers never joins a download that does. How a download gets its bytes is download.ts.
 */
import type { Artifact, GetOptions } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import { storedArtifact } from './artifact-body.ts'
import type { Assembly } from './chunks/assembly.ts'
import { startDownload, type Download } from './download.ts'
import type { TransferDeps } from './transfer-deps.ts'

interface SharedDownload {
  readonly download: Download
  readonly hasOrigin: boolean
  /** Callers that wait for it. */
  waiting: number
}

export class Downloads {
  readonly #deps: TransferDeps
  readonly #running = new Map<string, SharedDownload>()
  #isStopped = false

  constructor(deps: TransferDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#running.size
  }

  /** What of a public artifact is arriving and can be passed on. */
  inFlight(digest: Digest): Assembly | undefined {
    return this.#running.get(keyOf(digest, true))?.download.inFlight
  }

  /**
   * The artifact from the store, else from a download.
   * @throws CatalogError NO_PROVIDERS or NODE_STOPPED, the origin's own error, or `options.signal.reason`
   */
  async get(digest: Digest, options: GetOptions): Promise<Artifact> {
    const { store, chunkSize } = this.#deps
    for (;;) {
      this.#throwIfOver(options)
      const stored = await storedArtifact(digest, store, chunkSize)
      if (stored !== undefined) return stored
      const shared = await this.#join(digest, options)
      try {
        return await waitFor(shared, options.signal)
      } catch (error) {
        // Other callers had no origin, and failed; ours has not been tried.
        if (shared.hasOrigin || options.origin === undefined || this.#isStopped) throw error
        options.signal?.throwIfAborted()
        await shared.download.finished
      }
    }
  }

  /** Cancels all. Settles when they have let go of everything. */
  async stop(reason: Error): Promise<void> {
    this.#isStopped = true
    const running = [...this.#running.values()]
    for (const { download } of running) download.cancel(reason)
    await Promise.all(running.map(({ download }) => download.finished))
  }

  /** A download that counts the caller among those who wait for it. */
  async #join(digest: Digest, options: GetOptions): Promise<SharedDownload> {
    for (;;) {
      this.#throwIfOver(options)
      const running = this.#running.get(keyOf(digest, options.peers ?? true))
      if (running === undefined) return this.#start(digest, options)
      if (!running.download.isCancelled) {
        running.waiting++
        if (options.fetchAs === undefined) running.download.goAlone()
        return running
      }
      await running.download.finished // given up by all others; it is clearing up
    }
  }

  #start(digest: Digest, { origin, peers = true, fetchAs }: GetOptions): SharedDownload {
    const visibility = origin?.visibility ?? 'public'
    const request = { digest, origin, peers, visibility, fetchAs }
    const download = startDownload(request, this.#deps)
    const shared = { download, hasOrigin: origin !== undefined, waiting: 1 }
    const key = keyOf(digest, peers)
    this.#running.set(key, shared)
    void download.finished.then(() => {
      if (this.#running.get(key) === shared) this.#running.delete(key)
    })
    return shared
  }

  #throwIfOver({ signal }: GetOptions): void {
    if (this.#isStopped) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
    signal?.throwIfAborted()
  }
}

/** The artifact, or `signal.reason` when this caller gives up, now or while it reads. */
async function waitFor(shared: SharedDownload, signal: AbortSignal | undefined): Promise<Artifact> {
  const { download } = shared
  if (signal === undefined) return await download.artifact()
  if (signal.aborted) leave(shared)
  signal.throwIfAborted()
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => {
      leave(shared)
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    void download.finished.then(() => signal.removeEventListener('abort', onAbort))
    download.artifact().then(resolve, reject)
  })
}

function leave(shared: SharedDownload): void {
  shared.waiting--
  if (shared.waiting === 0) shared.download.cancel(new Error('nobody waits for it any more'))
}

function keyOf(digest: Digest, peers: boolean): string {
  return peers ? digest : `alone ${digest}`
}
