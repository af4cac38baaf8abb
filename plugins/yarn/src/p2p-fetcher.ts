/** Tarballs of `p2p:` packages into Yarn's cache: verified by their metadata's hash, then by yarn.lock's like any other. */
import {
  structUtils,
  tgzUtils,
  type Fetcher,
  type FetchOptions,
  type FetchResult,
  type Locator,
} from '@yarnpkg/core'
import { selectorOf } from './p2p-resolver.ts'
import { PROTOCOL, type PeerPackages } from './peer-packages.ts'

export function createPeerFetcher(packages: PeerPackages): new () => Fetcher {
  return class PeerFetcher implements Fetcher {
    supports({ reference }: Locator): boolean {
      return reference.startsWith(PROTOCOL)
    }

    getLocalPath(): null {
      return null
    }

    async fetch(locator: Locator, options: FetchOptions): Promise<FetchResult> {
      const { cache, checksums, report, project, cacheOptions } = options
      const { configuration } = project
      const prefixPath = structUtils.getIdentVendorPath(locator)
      const [packageFs, releaseFs, checksum] = await cache.fetchPackageFromCache(
        locator,
        checksums.get(locator.locatorHash) ?? null,
        {
          onHit: () => report.reportCacheHit(locator),
          onMiss: () => report.reportCacheMiss(locator),
          loader: async () => {
            const version = selectorOf(locator.reference)
            const bytes = await packages.tarball(configuration, locator, version)
            return tgzUtils.convertToZip(bytes, { configuration, prefixPath, stripComponents: 1 })
          },
          ...cacheOptions,
        },
      )
      return { packageFs, releaseFs, prefixPath, checksum }
    }
  }
}
