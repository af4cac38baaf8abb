/**
 * The releases that a head names, from the store or from peers: artifacts like others, found by their digests. A head that was
 * verified has signed each with its hash, so their own signatures hold up nobody; name, version and signer must be the head's.
 */
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Digest } from '../content/digest.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Clock } from '../timing/clock.ts'
import type { Head } from './head.ts'
import { createLaterRecords } from './later-records.ts'
import { MAX_RELEASE_BYTES, openRelease, type Release } from './release.ts'

/** Fetched at once. */
const MAX_FETCHES = 16
/** Kept opened. Most take a few KB; a publisher may make them as large as a release may be. */
const MAX_OPENED_BYTES = 16 * 1024 * 1024
/** Beside its manifest. */
const OPENED_OVERHEAD_BYTES = 1_000

export interface FetchOptions {
  readonly signal: AbortSignal
  readonly maxBytes: number
  /** Whether peers may be asked for it. Default true. */
  readonly peers?: boolean
}

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
  readonly fetch: (digest: Digest, options: FetchOptions) => Promise<Uint8Array>
  /** Of each that was read for the first time, some time later. Its own signature has not been looked at. */
  readonly onRelease: (release: Release, statement: Uint8Array) => Promise<void>
  /** Names that no peer is asked for, not even by a hash: what is not here is not had. */
  readonly isPrivate?: ((name: string) => boolean) | undefined
  readonly clock: Clock
  readonly log: Logger
}): ReleaseReader {
  const { fetch, onRelease, isPrivate, clock, log } = deps
  const opened = new LRUCache<Digest, Release>({
    maxSize: MAX_OPENED_BYTES,
    // Two bytes a character, if not all of them are Latin.
    sizeCalculation: ({ manifest }) => OPENED_OVERHEAD_BYTES + 2 * manifest.length,
  })
  const later = createLaterRecords({ clock, keep })

  async function open(
    digest: Digest,
    { publisher, name }: Head,
    signal: AbortSignal,
  ): Promise<Release> {
    const known = opened.get(digest)
    if (known !== undefined) {
      later.postpone()
      return known
    }
    const peers = !isPrivate?.(name)
    const statement = await fetch(digest, { signal, peers, maxBytes: MAX_RELEASE_BYTES })
    const release = openRelease(statement, { vouchedBy: publisher })
    opened.set(digest, release)
    later.add(digest)
    return release
  }

  async function keep(digest: Digest, signal: AbortSignal): Promise<void> {
    const release = opened.get(digest)
    if (release === undefined) return
    try {
      // It is here; peers are asked for nothing that nobody waits for.
      const options = { signal, peers: false, maxBytes: MAX_RELEASE_BYTES }
      await onRelease(release, await fetch(digest, options))
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
      const release = await open(statement, head, signal)
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
