/**
 * What the publishers of a package of the network say of it now, put together: each publisher's newest head that can be found, and
 * the releases that it names. Of a version that two of them have published, the one counts whom the trust file names first; tags are
 * those of the first who has published at all. It asks no registry, and believes nobody but those publishers.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError, type CatalogNode, type KeyId, type Release } from '@catalog-p2p/core'
import type { NameOrigins } from '../trust/origin-of-name.ts'

type Head = NonNullable<Awaited<ReturnType<CatalogNode['publications']['head']>>>

export interface NetworkVersion {
  readonly release: Release
  /** Why not to use it any more. */
  readonly deprecated: string | undefined
}

export interface NetworkPackage {
  readonly name: string
  /** Newest last, as they were published. */
  readonly versions: ReadonlyMap<string, NetworkVersion>
  readonly tags: ReadonlyMap<string, string>
  readonly changedAtMs: number
  /** Changes with every change of a publisher. */
  readonly revision: string
  readonly publishers: readonly KeyId[]
}

export interface NetworkPackages {
  /** @throws CatalogError NOT_FOUND when no trusted publisher's head can be found; `signal.reason` */
  find(name: string, options: { readonly signal: AbortSignal }): Promise<NetworkPackage>
}

const NOBODY = { publishers: [], roots: [] }
/** Releases never change, so their bytes are read once; a few KB each. */
const KEPT_RELEASES = 2_000

export function createNetworkPackages(
  { publications }: Pick<CatalogNode, 'publications'>,
  originOf: NameOrigins,
  onFound: (found: NetworkPackage) => void,
): NetworkPackages {
  const kept = new LRUCache<string, Release>({ max: KEPT_RELEASES })

  async function releaseOf(
    head: Head,
    version: string,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    const key = head.releases.get(version)?.statement ?? ''
    const known = kept.get(key)
    if (known !== undefined) return known
    const release = await publications.release(head, version, { signal })
    if (release !== undefined) kept.set(key, release)
    return release
  }

  async function versionsOf(
    head: Head,
    signal: AbortSignal,
  ): Promise<(readonly [string, NetworkVersion])[]> {
    const all = await Promise.all(
      [...head.releases].map(async ([version, { deprecated }]) => {
        const release = await releaseOf(head, version, signal)
        return release && ([version, { release, deprecated }] as const)
      }),
    )
    return all.filter((each) => each !== undefined)
  }

  return {
    async find(name, { signal }) {
      const origin = originOf(name)
      const { publishers, roots } = origin.kind === 'network' ? origin : NOBODY
      if (publishers.length === 0 && roots.length > 0) throw uncertified(name, roots)
      const found = await Promise.all(
        publishers.map((publisher) => publications.head({ name, publisher }, { signal })),
      )
      const heads = found.filter((head) => head !== undefined)
      const [first] = heads
      if (first === undefined) throw unpublished(name, publishers)
      const lists = await Promise.all(heads.map((head) => versionsOf(head, signal)))
      const versions = new Map(
        [...new Map(lists.toReversed().flat())].toSorted(
          ([, a], [, b]) => a.release.publishedAtMs - b.release.publishedAtMs,
        ),
      )
      const tags = [...first.tags].filter(([, version]) => versions.has(version))
      const package_ = {
        ...{ name, versions, tags: new Map(tags), publishers: heads.map((head) => head.publisher) },
        changedAtMs: Math.max(...heads.map((head) => head.changedAtMs)),
        revision: revisionOf(heads),
      }
      onFound(package_)
      return package_
    },
  }
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
