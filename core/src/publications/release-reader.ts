/**
 * The releases that a head names, from the store or from peers: artifacts like others, found by their digests. A head that was
 * verified vouches for them, and each is verified again to be its publisher's, name and version included.
 */
import PQueue from 'p-queue'
import type { Digest } from '../content/digest.ts'
import { isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Head } from './head.ts'
import { MAX_RELEASE_BYTES, openRelease, type Release } from './release.ts'

/** Fetched at once. */
const MAX_FETCHES = 16
/** Kept opened: verifying one takes 1.5 ms. */
const MAX_OPENED = 2_000

export interface ReleaseReader {
  /** Undefined when nobody has it now, or it is not what the head says. @throws `signal.reason` */
  read(
    head: Head,
    version: string,
    options: { readonly signal: AbortSignal },
  ): Promise<Release | undefined>
  /** Of all versions those that could be had. @throws `signal.reason` */
  readAll(head: Head, options: { readonly signal: AbortSignal }): Promise<Release[]>
}

export function createReleaseReader(deps: {
  readonly fetch: (
    digest: Digest,
    options: { readonly signal: AbortSignal; readonly maxBytes: number },
  ) => Promise<Uint8Array>
  /** Of each that was read for the first time. */
  readonly onRelease: (release: Release, statement: Uint8Array) => Promise<void>
  readonly log: Logger
}): ReleaseReader {
  const { fetch, onRelease, log } = deps
  const opened = new Map<Digest, Release>()

  async function open(digest: Digest, signal: AbortSignal): Promise<Release> {
    const known = opened.get(digest)
    if (known !== undefined) return known
    const statement = await fetch(digest, { signal, maxBytes: MAX_RELEASE_BYTES })
    const release = openRelease(statement)
    if (opened.size >= MAX_OPENED) opened.clear()
    opened.set(digest, release)
    await onRelease(release, statement)
    return release
  }

  async function read(
    head: Head,
    version: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Release | undefined> {
    const { statement } = head.releases.get(version) ?? {}
    if (statement === undefined) return undefined
    const { name, publisher } = head
    try {
      const release = await open(statement, signal)
      if (release.name === name && release.version === version && release.publisher === publisher) {
        return release
      }
      log.warn('releases.not-of-its-head', { name, version, publisher })
    } catch (error) {
      signal.throwIfAborted()
      if (!isCatalogError(error)) throw error
      log.debug('releases.not-read', { name, version, error })
    }
    return undefined
  }

  return {
    read,
    async readAll(head, { signal }) {
      const queue = new PQueue({ concurrency: MAX_FETCHES })
      const found = await Promise.all(
        [...head.releases.keys()].map((version) =>
          queue.add(() => read(head, version, { signal })),
        ),
      )
      return found.filter((each) => each !== undefined)
    },
  }
}
