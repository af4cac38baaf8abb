/**
 * `p2p:` ranges to packages. What else would come from metadata, dependencies above all, is read in the package itself, which
 * the range's hash covers. Those dependencies are ordinary ones, wherever they come from, or `p2p:` again.
 */
import {
  LinkType,
  Manifest,
  MessageName,
  miscUtils,
  ReportError,
  structUtils,
  type Descriptor,
  type Locator,
  type Package,
  type ResolveOptions,
  type Resolver,
} from '@yarnpkg/core'
import { parsePeerRange, PROTOCOL, type PeerRange } from './p2p-range.ts'

const HOW = `write the exact version and the sha512 of its archive, as in ${PROTOCOL}1.2.3#sha512-… (npm pack --json tells it), or ${PROTOCOL} and its Asset ID`
const WHY = 'ranges and tags need metadata, which peers do not have yet, and no registry is asked'

/** All that begins with the protocol is ours, so that what is wrong with it is told in our words. */
export class PeerResolver implements Resolver {
  supportsDescriptor({ range }: Descriptor): boolean {
    return range.startsWith(PROTOCOL)
  }

  supportsLocator({ reference }: Locator): boolean {
    return reference.startsWith(PROTOCOL)
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

  async getCandidates(descriptor: Descriptor): Promise<Locator[]> {
    requirePeerRange(structUtils.stringifyDescriptor(descriptor), descriptor.range)
    return [locatorOf(descriptor)]
  }

  getSatisfying(
    descriptor: Descriptor,
    _dependencies: Record<string, Package>,
    locators: Locator[],
  ): Promise<{ locators: Locator[]; sorted: boolean }> {
    const { locatorHash } = locatorOf(descriptor)
    const same = locators.filter((each) => each.locatorHash === locatorHash)
    return Promise.resolve({ locators: same, sorted: true })
  }

  async resolve(locator: Locator, { fetchOptions, project }: ResolveOptions): Promise<Package> {
    const { version } = requirePeerRange(structUtils.stringifyLocator(locator), locator.reference)
    if (!fetchOptions) throw new Error('a resolution that may not fetch')
    const { packageFs, prefixPath, releaseFs } = await fetchOptions.fetcher.fetch(
      locator,
      fetchOptions,
    )
    const manifest = await miscUtils.releaseAfterUseAsync(
      () => Manifest.find(prefixPath, { baseFs: packageFs }),
      releaseFs,
    )
    return {
      ...locator,
      ...{ version, languageName: 'node', linkType: LinkType.HARD, bin: manifest.bin },
      conditions: manifest.getConditions(),
      dependencies: project.configuration.normalizeDependencyMap(manifest.dependencies),
      peerDependencies: manifest.peerDependencies,
      dependenciesMeta: manifest.dependenciesMeta,
      peerDependenciesMeta: manifest.peerDependenciesMeta,
    }
  }
}

/** @throws ReportError that says what to write instead */
export function requirePeerRange(whole: string, range: string): PeerRange {
  const parsed = parsePeerRange(range)
  if (parsed !== undefined) return ofPackage(whole, parsed)
  throw new ReportError(MessageName.RESOLUTION_FAILED, `${whole}: ${HOW}; ${WHY}`)
}

/** `whole` begins with the package that it is a range or a reference of. */
function ofPackage(whole: string, range: PeerRange): PeerRange {
  if (!('name' in range) || whole.startsWith(`${range.name}@`)) return range
  throw new ReportError(
    MessageName.RESOLUTION_FAILED,
    `${whole}: its Asset ID is of ${range.name}, and a package has one name only`,
  )
}

function locatorOf(descriptor: Descriptor): Locator {
  return structUtils.makeLocator(descriptor, descriptor.range)
}
