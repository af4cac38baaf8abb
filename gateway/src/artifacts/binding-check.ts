/**
 * Whether bytes that a client named by their digest, and that did not come from the registry itself, are what that has under
 * that name and version. Asked beside the download, only when a peer or the store is what gives; the end of the answer waits
 * for it. With no registry in reach the digest alone decides, if the user lets it. docs/decisions/0009-name-and-digest.md
 */
import { CatalogError, isCatalogError, type Digest, type Logger } from '@catalog-p2p/core'
import type { ParsedGatewayOptions } from '../options.ts'
import type { Viewer } from '../packuments/packuments.ts'
import type { VersionFacts } from '../packuments/version-lines.ts'
import type { Registries } from '../upstream/registries.ts'
import type { Upstream } from '../upstream/upstream.ts'
import {
  namedVersion,
  namesDigest,
  warnOfMismatch,
  type ArtifactRequest,
} from './artifact-target.ts'
import type { Bindings } from './bindings.ts'
import type { VersionDocuments } from './version-documents.ts'

/** The registry has other bytes under that name; `facts` are what it says. Never leaves artifacts.ts. */
export class OtherBytes extends CatalogError {
  readonly facts: VersionFacts

  constructor(name: string, facts: VersionFacts) {
    super(
      'DIGEST_MISMATCH',
      `${name}@${facts.version}: the registry has other bytes under that name`,
    )
    this.facts = facts
  }
}

export interface BindingCheck {
  /** Asks, if it has not yet. */
  readonly begin: () => void
  /** @throws OtherBytes, and CatalogError when the registry has no such version, will not say, or nobody can and must */
  readonly done: () => Promise<void>
}

export interface BindingCheckDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly bindings: Bindings
  readonly documents: VersionDocuments
  readonly log: Logger
}

export function createBindingCheck(
  deps: BindingCheckDependencies,
  options: { unboundDigests: ParsedGatewayOptions['unboundDigests'] },
  { request, viewer, digest }: { request: ArtifactRequest; viewer: Viewer; digest: Digest },
): BindingCheck {
  const { registries, upstream, bindings, documents } = deps
  let running: Promise<void> | undefined

  async function check(): Promise<void> {
    const registry = registries.forName(request.name)
    if (registry === null) return undecided('no registry is asked')
    if (upstream.isDown(registry.origin)) return undecided('it does not answer')
    let facts: VersionFacts
    try {
      facts = await documents.facts(request, viewer)
    } catch (error) {
      if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return undecided(error.message)
      throw error
    }
    if (!namesDigest(facts.integrity, digest)) {
      warnOfMismatch(deps, request, digest)
      throw new OtherBytes(request.name, facts)
    }
    bindings.add(namedVersion(registries, request, viewer), digest)
  }

  function undecided(reason: string): void {
    const { name, version } = namedVersion(registries, request, viewer)
    if (options.unboundDigests === 'allow') {
      return deps.log.debug('binding.unchecked', { name, version, reason })
    }
    throw new CatalogError(
      'UPSTREAM_UNREACHABLE',
      `${name}@${version}: no registry says that these bytes are that version (${reason})`,
      { hint: '--unbound-digests allow lets the hash in the lockfile decide alone' },
    )
  }

  const begin = (): Promise<void> => {
    if (running === undefined) {
      running = check()
      running.catch(() => undefined) // who waits for it sees it; there may be nobody left
    }
    return running
  }
  return { begin: () => void begin(), done: begin }
}
