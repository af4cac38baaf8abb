/**
 * What this Yarn run knows of versions: their hashes, and which of them yarn.lock protects. Only from metadata of the package's own
 * registry, never from a tarball.
 */
import { expectedIntegrity } from './integrity.ts'
import type { Packument } from './packument-body.ts'

export type MetadataSource = 'daemon' | 'registry'

export interface KnownVersion {
  /** undefined: its metadata has no hash. */
  readonly integrity: string | undefined
  /** The source of the metadata. */
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

  /** Adds the hashes of a packument. */
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
