/**
 * Wraps the methods of Verdaccio's storage that tarballs pass. Verdaccio has no plugin kind for uplinks, so this file relies on its
 * internals: a tarball request opens a context; within it the plugin replaces an uplink's download; what is stored by other means
 * is checked; the seeder hears of what is stored and removed.
 */
import type { Logger } from '@catalog-p2p/core'
import { createDigestFallback, type DigestFallbackDependencies } from './fallback-by-digest.ts'
import type { TarballFetcher } from './fetch-tarball.ts'
import { storeIfChecked, storeIfMatching } from './guard-upload.ts'
import type { ClientRequest, Contexts, TarballContext } from './request-context.ts'
import { startUplink } from './start-uplink.ts'
import { isObject, type Callback, type Uplink, type VerdaccioStorage } from './verdaccio.ts'

export interface Seeding {
  /** Verdaccio has stored a tarball. */
  stored(name: string, filename: string): void
  /** Verdaccio is about to remove these files; call the result when it has. */
  removing(name: string, filenames: readonly string[] | 'all'): Promise<() => void>
}

export interface InterceptDependencies extends Pick<
  DigestFallbackDependencies,
  'privacy' | 'counters'
> {
  readonly storage: VerdaccioStorage
  readonly uplinkPrototype: Uplink | undefined
  readonly contexts: Contexts
  readonly fetcher: TarballFetcher
  readonly seeding: Seeding
  readonly log: Logger
}

export function intercept(deps: InterceptDependencies): void {
  interceptRequests(deps)
  if (deps.uplinkPrototype !== undefined) interceptUplinks(deps, deps.uplinkPrototype)
  interceptUploads(deps)
  interceptRemovals(deps)
}

/** Gives every tarball request a context, and adds the metadata when Verdaccio reads it. */
function interceptRequests(deps: InterceptDependencies): void {
  const { storage, contexts } = deps
  const { localStorage } = storage
  const getTarball = storage.getTarball.bind(storage)
  const withFallback = createDigestFallback(deps)
  storage.getTarball = (name, filename) => {
    const client = contexts.clients.getStore()
    const context = newContext(name, filename, client)
    const found = contexts.tarballs.run(context, () => getTarball(name, filename))
    const stream = withFallback(context, found)
    // A client that disconnects does not keep the tarball from being stored.
    const readOn = (): void => void setImmediate(() => stream.resume()) // the pipe pauses it first
    client?.gone.addEventListener('abort', readOn, { once: true })
    return stream
  }
  const readMetadata = localStorage.getPackageMetadataAsync.bind(localStorage)
  localStorage.getPackageMetadataAsync = async (name) => {
    const manifest = await readMetadata(name)
    const context = contexts.tarballs.getStore()
    if (context?.name === name) context.manifest = manifest
    return manifest
  }
}

/** On the class, which covers uplinks that Verdaccio creates per request (for tarballs on another host). */
function interceptUplinks(deps: InterceptDependencies, prototype: Uplink): void {
  const { contexts, fetcher, log } = deps
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its uplink as `this` below
  const fetchTarball = prototype.fetchTarball
  prototype.fetchTarball = function (this: Uplink, url: string) {
    const context = contexts.tarballs.getStore()
    if (context === undefined) return fetchTarball.call(this, url)
    try {
      return fetcher.fetch(context, this.upname, () => startUplink(this, url, fetchTarball))
    } catch (error) {
      log.error('tarball.bypassed', { package: context.name, error })
      return fetchTarball.call(this, url)
    }
  }
}

function interceptUploads(deps: InterceptDependencies): void {
  const { contexts, seeding, log } = deps
  const { localStorage } = deps.storage
  const addTarball = localStorage.addTarball.bind(localStorage)
  localStorage.addTarball = (name, filename, distFile) => {
    const upload = addTarball(name, filename, distFile)
    try {
      const context = contexts.tarballs.getStore()
      const isOurs = context?.name === name && context.filename === filename
      if (isOurs && deps.uplinkPrototype !== undefined) storeIfChecked(upload, context, log)
      else if (distFile !== undefined) storeIfMatching(upload, { name, filename }, deps)
      upload.once('success', () => seeding.stored(name, filename))
    } catch (error) {
      log.error('storage.not-watched', { package: name, file: filename, error })
    }
    return upload
  }
}

function interceptRemovals({ storage, seeding, log }: InterceptDependencies): void {
  const { localStorage } = storage
  const removeTarball = localStorage.removeTarball.bind(localStorage)
  const removePackage = localStorage.removePackage.bind(localStorage)

  /** Calls back only once: after a second call Verdaccio would answer twice. */
  function withdrawAround(
    {
      name,
      files,
      callback,
    }: { name: string; files: readonly string[] | 'all'; callback: Callback },
    remove: (done: Callback) => void,
  ): void {
    let isCalled = false
    const finish: Callback = (error, ...rest) => {
      if (isCalled) return log.error('storage.remove-failed', { package: name, error })
      isCalled = true
      callback(error, ...rest)
    }
    const unknown = (error: unknown): (() => void) => {
      log.warn('storage.not-withdrawn', { package: name, error })
      return () => undefined
    }
    seeding
      .removing(name, files)
      .catch(unknown)
      .then((withdraw) =>
        remove((error, ...rest) => {
          // A 404 too: a tarball that is still being fetched must not stay in the node either.
          if (isGone(error)) withdraw()
          finish(error, ...rest)
        }),
      )
      .catch(finish)
  }

  localStorage.removeTarball = (name, filename, revision, callback) =>
    withdrawAround({ name, files: [filename], callback }, (done) =>
      removeTarball(name, filename, revision, done),
    )
  localStorage.removePackage = (name, callback) =>
    withdrawAround({ name, files: 'all', callback }, (done) => removePackage(name, done))
}

function isGone(error: unknown): boolean {
  if (error === null || error === undefined) return true
  return isObject(error) && error['status'] === 404
}

function newContext(
  name: string,
  filename: string,
  client: ClientRequest | undefined,
): TarballContext {
  return { name, filename, client, manifest: undefined, download: 'unseen' }
}
