/**
 * Yarn's own fetchers of npm packages, asking for unusual addresses in a package's name (archive-addresses.ts). What they do
 * with what comes, the locators, yarn.lock and the cache stay Yarn's.
 */
import {
  structUtils,
  type Fetcher,
  type FetchOptions,
  type Locator,
  type Plugin,
} from '@yarnpkg/core'
import { ArchiveAddresses } from './archive-addresses.ts'
import { yarnRegistries } from './settings.ts'

type FetcherPlugin = NonNullable<Plugin['fetchers']>[number]

interface NetworkFetcher extends Fetcher {
  /** Past Yarn's cache: asks for what the locator names. All of Yarn 4 has it, though not in its published types. */
  fetchFromNetwork(locator: Locator, options: FetchOptions): Promise<unknown>
}

/** Yarn loads us anew for each configuration that it reads, but its own plugins once. */
const ADDRESSES = Symbol.for('catalog-p2p.archive-addresses')

/** What `plugin`, Yarn's own for npm, asks for from now on; undefined: it fetches in another way, and is left as it is. */
export function nameArchives(
  plugin: (Plugin & { [ADDRESSES]?: ArchiveAddresses }) | undefined,
): ArchiveAddresses | undefined {
  if (plugin?.[ADDRESSES] !== undefined) return plugin[ADDRESSES]
  const fetchers = plugin?.fetchers ?? []
  if (plugin === undefined || fetchers.length === 0) return undefined
  if (!fetchers.every(isOnNetwork)) return undefined
  const addresses = new ArchiveAddresses()
  plugin.fetchers = fetchers.map((each) => naming(each, addresses))
  plugin[ADDRESSES] = addresses
  return addresses
}

function isOnNetwork(fetcher: FetcherPlugin): fetcher is new () => NetworkFetcher {
  return typeof (fetcher.prototype as Partial<NetworkFetcher>).fetchFromNetwork === 'function'
}

function naming(
  NpmFetcher: new () => NetworkFetcher,
  addresses: ArchiveAddresses,
): new () => NetworkFetcher {
  return class extends NpmFetcher {
    override fetchFromNetwork(locator: Locator, options: FetchOptions): Promise<unknown> {
      return super.fetchFromNetwork(named(locator, options, addresses), options)
    }
  }
}

function named(
  locator: Locator,
  { project: { configuration } }: FetchOptions,
  addresses: ArchiveAddresses,
): Locator {
  const range = structUtils.parseRange(locator.reference)
  const address = range.params?.__archiveUrl
  if (typeof address !== 'string') return locator
  const name = structUtils.stringifyIdent(locator)
  const registry = yarnRegistries(configuration).of(name)
  const route = { kind: 'tarball', name, version: range.selector, registry } as const
  const params = { ...range.params, __archiveUrl: addresses.nameIn(address, route) }
  return structUtils.makeLocator(locator, structUtils.makeRange({ ...range, params }))
}
