/**
 * What this Yarn run has learned of versions: their hashes, tarballs at unusual addresses, and which ones yarn.lock itself
 * protects. Only from metadata of the registry that a package belongs to, never from a tarball's own words.
 */
import { expectedIntegrity } from './integrity.ts'
import { parseUrl } from './parse-url.ts'
import type { Packument } from './packument-body.ts'
import {
  routeOf,
  type TarballBase,
  type TarballRoute,
  type YarnRegistries,
} from './request-route.ts'

export type MetadataSource = 'daemon' | 'registry'

export interface KnownVersion {
  /** undefined: its metadata has no hash. */
  readonly integrity: string | undefined
  /** Who had the metadata. */
  readonly source: MetadataSource
}

interface Home {
  readonly name: string
  readonly registry: string
}

export class KnownVersions {
  /** By registry and name. The objects are those that Yarn keeps anyway. */
  readonly #packages = new Map<string, { packument: Packument; source: MetadataSource }>()
  /** undefined: several packages say that it is theirs, so it is nobody's. */
  readonly #locations = new Map<string, TarballRoute | undefined>()
  readonly #direct = new Set<string>()
  readonly #bases = new Map<string, TarballBase>()
  readonly #locked = new Map<string, boolean>()

  /** Takes the hashes of a whole packument. */
  learn(home: Home, packument: Packument, source: MetadataSource): void {
    this.#packages.set(keyOf(home), { packument, source })
  }

  /** Takes where tarballs are, also from a packument whose hashes Yarn has dropped already. */
  learnLocations(home: Home, packument: Packument, registries: YarnRegistries): void {
    for (const [version, { dist }] of Object.entries(packument.versions ?? {})) {
      const tarball = dist?.tarball
      if (typeof tarball !== 'string') continue
      const usual = usualEnd(home.name, version)
      if (!tarball.endsWith(usual)) {
        const { name, registry } = home
        this.learnLocation(tarball, { kind: 'tarball', name, version, registry }, registries)
        continue
      }
      // There are many versions and few such places: remembered is the place.
      const url = tarball.slice(0, -usual.length)
      if (url !== home.registry) {
        this.#bases.set(`${home.registry} ${url}`, { url, registry: home.registry })
      }
    }
  }

  /**
   * A package's metadata may name any URL, another package's too: what a registry's usual addresses give to somebody stays
   * theirs, and what two packages claim is neither's.
   */
  learnLocation(tarball: string, route: TarballRoute, registries: YarnRegistries): void {
    const url = parseUrl(tarball)
    if (url === undefined || routeOf(url, registries) !== undefined) return
    const isContested =
      this.#locations.has(url.href) && !isSame(this.#locations.get(url.href), route)
    this.#locations.set(url.href, isContested ? undefined : route)
  }

  /** The project takes what is at this URL by the URL itself, whoever claims that it is a package of a registry. */
  learnDirect(tarball: string): void {
    const url = parseUrl(tarball.split('::', 1)[0] ?? '') // what follows is Yarn's
    if (url === undefined) return
    url.hash = ''
    this.#direct.add(url.href)
  }

  /** Yarn compares the archive with yarn.lock itself, so that no metadata is needed to be safe. */
  learnLocked(name: string, version: string, isChecked: boolean): void {
    const key = `${name}@${version}`
    this.#locked.set(key, isChecked && this.#locked.get(key) !== false)
  }

  find(home: Home & { readonly version: string }): KnownVersion | undefined {
    const found = this.#packages.get(keyOf(home))
    const versions = found?.packument.versions ?? {}
    const manifest = Object.hasOwn(versions, home.version) ? versions[home.version] : undefined
    if (found === undefined || manifest === undefined) return undefined
    return { integrity: expectedIntegrity(manifest.dist ?? {}), source: found.source }
  }

  /** What is at an address that no rule knows, but some package's metadata. */
  locate(target: URL, registries: YarnRegistries): TarballRoute | undefined {
    if (this.#direct.has(target.href)) return undefined
    const route = routeOf(target, registries, this.tarballBases())
    return route?.kind === 'tarball' ? route : this.#locations.get(target.href)
  }

  /** Places other than the registries' own addresses. */
  tarballBases(): readonly TarballBase[] {
    return [...this.#bases.values()]
  }

  /** Another project begins, whose yarn.lock may protect other packages: `yarn dlx` has one of its own. */
  forgetLocked(): void {
    this.#locked.clear()
  }

  isLocked(name: string, version: string): boolean {
    return this.#locked.get(`${name}@${version}`) === true
  }
}

function isSame(a: TarballRoute | undefined, b: TarballRoute): boolean {
  return a?.name === b.name && a.version === b.version && a.registry === b.registry
}

// A name has no space, a URL none either.
function keyOf({ registry, name }: Home): string {
  return `${registry} ${name}`
}

function usualEnd(name: string, version: string): string {
  return `/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`
}
