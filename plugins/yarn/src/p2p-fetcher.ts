/**
 * Archives of `p2p:` packages into Yarn's cache: the hash is the range's, the package inside is the one that was asked for,
 * and what it unpacks to is bounded. Everything else about it is Yarn's, yarn.lock's own checksum as well.
 */
import {
  Manifest,
  MessageName,
  ReportError,
  semverUtils,
  structUtils,
  tgzUtils,
  type Configuration,
  type Fetcher,
  type FetchOptions,
  type FetchResult,
  type Locator,
} from '@yarnpkg/core'
import { ppath, type FakeFS, type PortablePath } from '@yarnpkg/fslib'
import { PROTOCOL } from './p2p-range.ts'
import { requirePeerRange } from './p2p-resolver.ts'
import type { PeerPackages } from './peer-packages.ts'
import { requireUnpackedSize } from './unpacked-size.ts'

/** Yarn unpacks into memory. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

type Archive = Awaited<ReturnType<typeof tgzUtils.convertToZip>>

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
      const [packageFs, releaseFs, checksum] = await cache.fetchPackageFromCache(
        locator,
        checksums.get(locator.locatorHash) ?? null,
        {
          onHit: () => report.reportCacheHit(locator),
          onMiss: () => report.reportCacheMiss(locator),
          loader: () => fetchArchive(packages, locator, project.configuration),
          ...cacheOptions,
        },
      )
      return { packageFs, releaseFs, prefixPath: structUtils.getIdentVendorPath(locator), checksum }
    }
  }
}

async function fetchArchive(
  packages: PeerPackages,
  locator: Locator,
  configuration: Configuration,
): Promise<Archive> {
  const whole = structUtils.stringifyLocator(locator)
  const range = requirePeerRange(whole, locator.reference)
  const bytes = await packages.tarball(configuration, locator, range)
  await requireUnpackedSize(bytes, MAX_UNPACKED_BYTES).catch((error: unknown) => {
    const words = error instanceof Error ? error.message : String(error)
    throw refused(whole, `its archive can't be used: ${words}`)
  })
  const prefixPath = structUtils.getIdentVendorPath(locator)
  const archive = await tgzUtils.convertToZip(bytes, {
    ...{ configuration, prefixPath, stripComponents: 1 },
  })
  try {
    await requirePackage(locator, range.version, { baseFs: archive, prefixPath })
    return archive
  } catch (error) {
    archive.discardAndClose()
    throw error
  }
}

/** A hash says nothing of names: another package's would be installed under this one's. */
async function requirePackage(
  locator: Locator,
  version: string,
  { baseFs, prefixPath }: { baseFs: FakeFS<PortablePath>; prefixPath: PortablePath },
): Promise<void> {
  const whole = structUtils.stringifyLocator(locator)
  const file = ppath.join(prefixPath, Manifest.fileName)
  const found = baseFs.existsSync(file) ? await baseFs.lstatPromise(file) : undefined
  if (found?.isFile() !== true) throw refused(whole, 'its archive holds no package.json')
  if (found.size > MAX_MANIFEST_BYTES) {
    throw refused(whole, `its package.json is larger than ${MAX_MANIFEST_BYTES} bytes`)
  }
  const manifest = await Manifest.fromFile(file, { baseFs })
  const { name } = manifest
  const isSame = name !== null && structUtils.areIdentsEqual(name, locator)
  if (isSame && semverUtils.clean(manifest.version ?? '') === version) return
  const named = name === null ? 'a package without a name' : structUtils.stringifyIdent(name)
  throw refused(whole, `the archive of that hash is ${named}@${manifest.version ?? 'no version'}`)
}

function refused(whole: string, reason: string): ReportError {
  return new ReportError(MessageName.REMOTE_INVALID, `${whole}: ${reason}. Nothing of it was used`)
}
