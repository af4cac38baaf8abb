/**
 * `p2p:` ranges, tags and versions to packages that the daemon knows. Their own dependencies are ordinary ones, wherever
 * those come from.
 */
import {
  LinkType,
  Manifest,
  MessageName,
  ReportError,
  semverUtils,
  structUtils,
  TAG_REGEXP,
  type Descriptor,
  type Locator,
  type Package,
  type ResolveOptions,
  type Resolver,
} from '@yarnpkg/core'
import { PROTOCOL, type PeerPackages } from './peer-packages.ts'

export function createPeerResolver(packages: PeerPackages): new () => Resolver {
  return class PeerResolver implements Resolver {
    supportsDescriptor({ range }: Descriptor): boolean {
      if (!range.startsWith(PROTOCOL)) return false
      const selector = selectorOf(range)
      return semverUtils.validRange(selector) !== null || TAG_REGEXP.test(selector)
    }

    supportsLocator({ reference }: Locator): boolean {
      return isPeerVersion(reference)
    }

    shouldPersistResolution(): boolean {
      return true
    }

    bindDescriptor(descriptor: Descriptor): Descriptor {
      return descriptor
    }

    getResolutionDependencies(): Record<string, Descriptor> {
      return {}
    }

    async getCandidates(
      descriptor: Descriptor,
      _dependencies: Record<string, Package>,
      { project }: ResolveOptions,
    ): Promise<Locator[]> {
      const packument = await packages.packument(project.configuration, descriptor)
      const selector = selectorOf(descriptor.range)
      const tagged = packument['dist-tags']?.[selector]
      const versions =
        tagged === undefined ? matching(selector, Object.keys(packument.versions ?? {})) : [tagged]
      return versions.map((version) => structUtils.makeLocator(descriptor, PROTOCOL + version))
    }

    getSatisfying(
      descriptor: Descriptor,
      _dependencies: Record<string, Package>,
      locators: Locator[],
    ): Promise<{ locators: Locator[]; sorted: boolean }> {
      const own = locators.filter(
        (each) => each.identHash === descriptor.identHash && isPeerVersion(each.reference),
      )
      const versions = own.map((each) => selectorOf(each.reference))
      const fitting = matching(selectorOf(descriptor.range), versions)
      const sorted = fitting.flatMap((version) =>
        own.filter((each) => selectorOf(each.reference) === version),
      )
      return Promise.resolve({ locators: sorted, sorted: true })
    }

    async resolve(locator: Locator, { project }: ResolveOptions): Promise<Package> {
      const { configuration } = project
      const version = selectorOf(locator.reference)
      const { versions = {} } = await packages.packument(configuration, locator)
      const found = Object.hasOwn(versions, version) ? versions[version] : undefined
      if (found === undefined) {
        const name = structUtils.stringifyIdent(locator)
        const words = `${name}@${version}: the daemon knows no such version`
        throw new ReportError(MessageName.REMOTE_NOT_FOUND, words)
      }
      const manifest = new Manifest()
      manifest.load(found)
      return {
        ...locator,
        ...{ version, languageName: 'node', linkType: LinkType.HARD, bin: manifest.bin },
        conditions: manifest.getConditions(),
        dependencies: configuration.normalizeDependencyMap(manifest.dependencies),
        peerDependencies: manifest.peerDependencies,
        dependenciesMeta: manifest.dependenciesMeta,
        peerDependenciesMeta: manifest.peerDependenciesMeta,
      }
    }
  }
}

export function selectorOf(range: string): string {
  return range.slice(PROTOCOL.length)
}

function isPeerVersion(reference: string): boolean {
  if (!reference.startsWith(PROTOCOL)) return false
  return semverUtils.clean(selectorOf(reference)) === selectorOf(reference)
}

/** The versions in the range, the highest first. */
function matching(selector: string, versions: readonly string[]): string[] {
  const range = semverUtils.validRange(selector)
  if (range === null) return []
  return versions
    .flatMap((version) => {
      const clean = semverUtils.clean(version)
      return clean === null ? [] : [new semverUtils.SemVer(clean)]
    })
    .filter((version) => range.test(version))
    .sort((a, b) => b.compare(a))
    .map((version) => version.raw)
}
