/**
 * What this Yarn run has learned of versions: their hashes, and which ones yarn.lock itself protects. Only from metadata of
 * the registry that a package belongs to, never from a tarball's own words.
 */
import { expectedIntegrity } from './integrity.ts'
import type { Packument } from './packument-body.ts'

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
  readonly #locked = new Map<string, boolean>()

  /** Takes the hashes of a whole packument. */
  learn(home: Home, packument: Packument, source: MetadataSource): void {
    this.#packages.set(keyOf(home), { packument, source })
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

  /** Another project begins, whose yarn.lock may protect other packages: `yarn dlx` has one of its own. */
  forgetLocked(): void {
    this.#locked.clear()
  }

  isLocked(name: string, version: string): boolean {
    return this.#locked.get(`${name}@${version}`) === true
  }
}

// A name has no space, a URL none either.
function keyOf({ registry, name }: Home): string {
  return `${registry} ${name}`
}
