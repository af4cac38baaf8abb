/**
 * What the publishers of a package of the network say of it now, put together: each publisher's newest head that can be found, and
 * the releases that it names. Of a version that two of them have published, the one counts whom the trust file names first; tags are
 * those of the first who has published at all. It asks no registry, and believes nobody but those publishers.
 */
import PQueue from 'p-queue'
import {
  CatalogError,
  isCatalogError,
  type CatalogNode,
  type Head,
  type HeadRelease,
  type KeyId,
  type Release,
} from '@catalog-p2p/core'
import { notHere, unanswered, type FindHeads } from '../trust/find-heads.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import { newestFirst } from './newest-first.ts'

export interface NetworkVersion {
  readonly release: Release
  /** Why not to use it any more. */
  readonly deprecated: string | undefined
}

/** All that the heads say, whether anybody has the releases or not: what a change is made of. */
export interface NetworkListing {
  readonly name: string
  readonly heads: readonly [Head, ...Head[]]
  /** Of a version that several have, the first one's. */
  readonly releases: ReadonlyMap<string, HeadRelease>
  readonly tags: ReadonlyMap<string, string>
  readonly changedAtMs: number
  /** Changes with every change of a publisher. */
  readonly revision: string
  readonly publishers: readonly KeyId[]
}

export interface NetworkPackage extends Omit<NetworkListing, 'heads' | 'releases'> {
  /** Newest last, as they were published. Of more than a document holds the oldest are left out; `release` gives them. */
  readonly versions: ReadonlyMap<string, NetworkVersion>
  /** All but those of versions that nobody gives now. */
  readonly tags: ReadonlyMap<string, string>
  /** Unless all versions are here it is no listing's: such a document says nothing of what is to be withdrawn. */
  readonly revision: string
}

export interface NetworkPackages {
  /** @throws as `find`, for the heads alone: no release is read */
  list(name: string, options: { readonly signal: AbortSignal }): Promise<NetworkListing>
  /**
   * @throws CatalogError NOT_FOUND when no trusted publisher's head can be found, or of a private package there is nothing here;
   *   PEER_TIMEOUT with status 503 when those who have it, or a part of it, did not answer; `signal.reason`
   */
  find(name: string, options: { readonly signal: AbortSignal }): Promise<NetworkPackage>
  /** One version, and no more than that is read. @throws as `find` */
  release(
    wanted: { readonly name: string; readonly version: string },
    options: { readonly signal: AbortSignal },
  ): Promise<Release>
}

/** Of the releases in one document, as of a registry's: a publisher may sign 5,000 versions of 60,000 bytes. */
const MAX_PACKAGE_BYTES = 32 * 1024 * 1024
/** Read at once. */
const MAX_READS = 16

const NOBODY = { publishers: [], roots: [] }

export function createNetworkPackages(
  {
    node,
    originOf,
    findHeads,
    isPrivate,
  }: {
    readonly node: Pick<CatalogNode, 'publications'>
    readonly originOf: NameOrigins
    readonly findHeads: FindHeads
    /** Names that never reach a peer: what is not here is not had. */
    readonly isPrivate: (name: string) => boolean
  },
  onFound: (found: NetworkPackage) => void,
): NetworkPackages {
  async function headsOf(
    name: string,
    { signal, version }: { readonly signal: AbortSignal; readonly version?: string },
  ): Promise<readonly [Head, ...Head[]]> {
    const origin = originOf(name)
    const { publishers, roots } = origin.kind === 'network' ? origin : NOBODY
    if (publishers.length === 0 && roots.length > 0) throw uncertified(name, roots)
    const [first, ...others] = await findHeads({ name, publishers, version }, signal)
    if (first === undefined) throw unpublished(name, publishers)
    return [first, ...others]
  }

  async function releaseOf(
    head: Head,
    version: string,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    try {
      return await node.publications.release(head, version, { signal })
    } catch (error) {
      if (!isCatalogError(error, 'PEER_TIMEOUT')) throw error
      throw unanswered(`${head.name}@${version}`, error)
    }
  }

  const missing = (name: string, version?: string): CatalogError => {
    const what = version === undefined ? name : `${name}@${version}`
    return isPrivate(name) ? notHere(what) : unanswered(what, undefined)
  }

  return {
    list: async (name, { signal }) => listingOf(name, await headsOf(name, { signal })),

    async find(name, { signal }) {
      const { heads, releases, ...said } = listingOf(name, await headsOf(name, { signal }))
      const { lists, left } = await versionsOf(heads, (head, version) =>
        releaseOf(head, version, signal),
      )
      const versions = new Map(
        [...new Map(lists.toReversed().flat())].toSorted(
          ([, a], [, b]) => a.release.publishedAtMs - b.release.publishedAtMs,
        ),
      )
      // A document without any version would say that all were withdrawn.
      if (versions.size === 0 && releases.size > 0) throw missing(name)
      const isWhole = versions.size === releases.size
      const tags = [...said.tags].filter(([, to]) => versions.has(to) || left.has(to))
      const revision = isWhole ? said.revision : `${said.revision}-part`
      const package_ = { ...said, versions, tags: new Map(tags), revision }
      onFound(package_)
      return package_
    },

    async release({ name, version }, { signal }) {
      const heads = await headsOf(name, { signal, version })
      const having = heads.filter(({ releases }) => releases.has(version))
      for (const head of having) {
        const release = await releaseOf(head, version, signal)
        if (release !== undefined) return release
      }
      if (having.length > 0) throw missing(name, version)
      throw new CatalogError('NOT_FOUND', `${name}@${version} has not been published`)
    },
  }
}

function listingOf(name: string, heads: readonly [Head, ...Head[]]): NetworkListing {
  return {
    ...{ name, heads, tags: heads[0].tags, revision: revisionOf(heads) },
    releases: new Map(heads.toReversed().flatMap((head) => [...head.releases])),
    changedAtMs: Math.max(...heads.map((head) => head.changedAtMs)),
    publishers: heads.map((head) => head.publisher),
  }
}

/**
 * Of one publisher after the other the newest that there are, as far as one document has room: the same whichever is read first.
 * `left`: versions that there was no room for.
 */
async function versionsOf(
  heads: readonly Head[],
  releaseOf: (head: Head, version: string) => Promise<Release | undefined>,
): Promise<{ lists: (readonly [string, NetworkVersion])[][]; left: ReadonlySet<string> }> {
  const queue = new PQueue({ concurrency: MAX_READS })
  let bytesRead = 0
  const read = async (head: Head, version: string) => {
    // They begin in order: what has been read stands before this one, and fills the document already.
    const isLeft = bytesRead > MAX_PACKAGE_BYTES
    const release = isLeft ? undefined : await releaseOf(head, version)
    bytesRead += release?.manifest.length ?? 0
    return { version, isLeft, release, deprecated: head.releases.get(version)?.deprecated }
  }
  const lists = await Promise.all(
    heads.map((head) =>
      Promise.all(newestFirst(head).map((version) => queue.add(() => read(head, version)))),
    ),
  )
  let bytes = 0
  const left = new Set<string>()
  const taken = lists.map((list) =>
    list.flatMap(({ version, isLeft, release, deprecated }) => {
      if (isLeft || bytes > MAX_PACKAGE_BYTES) left.add(version)
      else if (release !== undefined) {
        bytes += release.manifest.length
        return [[version, { release, deprecated }] as const]
      }
      return []
    }),
  )
  return { lists: taken, left }
}

/** Stands in URLs as it is: `npm unpublish` does not escape it, and a slash of base64 would end it. */
export function revisionOf(heads: readonly Pick<Head, 'sequence' | 'digest'>[]): string {
  const short = (digest: string): string =>
    digest.slice(7, 15).replaceAll('/', '_').replaceAll('+', '-')
  return heads.map(({ sequence, digest }) => `${sequence}-${short(digest)}`).join('.')
}

function uncertified(name: string, roots: readonly KeyId[]): CatalogError {
  return new CatalogError(
    'NOT_FOUND',
    `${name}: nobody whom ${roots.join(' or ')} certifies may publish it now`,
    {
      hint: `certificates end, are revoked, and come from peers that know the root: "catalog trust explain ${name}" says which are here`,
    },
  )
}

function unpublished(name: string, publishers: readonly KeyId[]): CatalogError {
  const who = publishers.join(' or ')
  return new CatalogError('NOT_FOUND', `${name}: nothing published by ${who} can be found`, {
    hint: 'is a machine that has it connected? "catalog peers" shows who is there',
  })
}
