/**
 * The releases that a head names, from the store or from peers: artifacts like others, found by their digests. A head that was
 * verified has signed each with its hash, so their own signatures hold up nobody; name, version and signer must be the head's.
 */
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Digest } from '../content/digest.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { KeyId } from '../signing/key-id.ts'
import type { Clock } from '../timing/clock.ts'
import type { Head } from './head.ts'
import { createLaterRecords } from './later-records.ts'
import { MAX_RELEASE_BYTES, openRelease, type Release } from './release.ts'

/** Fetched at once. */
const MAX_FETCHES = 16
/** Kept opened, a few KB each. */
const MAX_OPENED = 2_000

export interface ReleaseReader {
  /**
   * Undefined when nobody has it now, or it is not what the head says.
   * @throws CatalogError PEER_TIMEOUT when peers that say they have it did not give it; what the store throws; `signal.reason`
   */
  read(
    head: Head,
    version: string,
    options: { readonly signal: AbortSignal },
  ): Promise<Release | undefined>
  /** Of all versions those that somebody has. @throws as `read` */
  readAll(head: Head, options: { readonly signal: AbortSignal }): Promise<Release[]>
  stop(): Promise<void>
}

export function createReleaseReader(deps: {
  readonly fetch: (
    digest: Digest,
    options: { readonly signal: AbortSignal; readonly maxBytes: number },
  ) => Promise<Uint8Array>
  /** Of each that was read for the first time, some time later. Its own signature has not been looked at. */
  readonly onRelease: (release: Release, statement: Uint8Array) => Promise<void>
  readonly clock: Clock
  readonly log: Logger
}): ReleaseReader {
  const { fetch, onRelease, clock, log } = deps
  const opened = new LRUCache<Digest, Release>({ max: MAX_OPENED })
  const later = createLaterRecords({ clock, keep })

  async function open(digest: Digest, publisher: KeyId, signal: AbortSignal): Promise<Release> {
    const known = opened.get(digest)
    if (known !== undefined) {
      later.postpone()
      return known
    }
    const statement = await fetch(digest, { signal, maxBytes: MAX_RELEASE_BYTES })
    const release = openRelease(statement, { vouchedBy: publisher })
    opened.set(digest, release)
    later.add(digest)
    return release
  }

  async function keep(digest: Digest, signal: AbortSignal): Promise<void> {
    const release = opened.get(digest)
    if (release === undefined) return
    try {
      await onRelease(release, await fetch(digest, { signal, maxBytes: MAX_RELEASE_BYTES }))
    } catch (error) {
      log.debug('releases.not-recorded', { digest, error })
    }
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
      const release = await open(statement, publisher, signal)
      if (release.name === name && release.version === version && release.publisher === publisher) {
        return release
      }
      log.warn('releases.not-of-its-head', { name, version, publisher })
    } catch (error) {
      signal.throwIfAborted()
      if (isSilence(error)) throw silent(`${name}@${version}`, error)
      if (!isAbsence(error)) throw error
      log.debug('releases.not-read', { name, version, error })
    }
    return undefined
  }

  return {
    read,
    stop: () => later.stop(),
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

/** There are peers that say they have it. */
function isSilence(error: unknown): boolean {
  return isCatalogError(error, 'NO_PROVIDERS') && Number(error.details['unanswered']) > 0
}

function isAbsence(error: unknown): boolean {
  return isCatalogError(error, 'NO_PROVIDERS') || isCatalogError(error, 'INVALID_STATEMENT')
}

function silent(what: string, cause: unknown): CatalogError {
  return new CatalogError('PEER_TIMEOUT', `${what}: peers that list it did not give it`, {
    cause,
    hint: 'they may have too much to do: try again',
  })
}
