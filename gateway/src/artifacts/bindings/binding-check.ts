/**
 * Whether bytes that a client named by their digest, and that did not come from the registry itself, are what that has under
 * that name and version. Asked beside the download, only when a peer or the store is what gives; the end of the answer waits
 * for it. Where its documents do not say, its tarball does; with no registry in reach the digest alone decides, if the user lets
 * it. docs/decisions/0009-name-and-digest.md
 */
import {
  CatalogError,
  isCatalogError,
  type Digest,
  type Logger,
  type Origin,
} from '@catalog-p2p/core'
import type { ParsedGatewayOptions } from '../../options.ts'
import type { Viewer } from '../../packuments/packument-service.ts'
import type { PeerEvidence } from '../../packuments/peers/peer-evidence.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'
import type { Registries, Registry } from '../../upstream/registries.ts'
import {
  isRefusal,
  namedVersion,
  warnOfMismatch,
  type ArtifactRequest,
} from '../artifact-target.ts'
import { namesDigest } from '../versions/version-hashes.ts'
import type { Bindings } from './bindings.ts'
import type { TarballWitness } from './tarball-witness.ts'
import type { RecordLookup } from '../records/record-lookup.ts'
import type { VersionDocuments } from '../versions/version-documents.ts'

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
  /** Asks for what the registry says, if it has not yet. */
  readonly begin: () => void
  /**
   * `size`: of the bytes that it is about, where that is known.
   * @throws OtherBytes, and CatalogError when the registry has no such version, will not say, or nobody can and must
   */
  readonly done: (size?: number) => Promise<void>
}

export interface BindingCheckDependencies {
  readonly registries: Registries
  readonly bindings: Bindings
  readonly documents: VersionDocuments
  readonly witness: TarballWitness
  readonly named: Pick<RecordLookup, 'known'>
  readonly evidence: Pick<PeerEvidence, 'refusal'>
  readonly log: Logger
}

export interface CheckedArtifact {
  readonly request: ArtifactRequest
  readonly viewer: Viewer
  readonly digest: Digest
  /** The registry's tarball of that name and version, whatever its bytes. */
  readonly origin: () => Origin | undefined
}

const NO_FACTS: Omit<VersionFacts, 'version'> = {
  ...{ integrity: '', shasum: '', tarball: '', signatures: '' },
}
/** Of bytes whose size is not known. */
const MAX_BYTES = 1024 * 1024 * 1024

export function createBindingCheck(
  deps: BindingCheckDependencies,
  options: { unboundDigests: ParsedGatewayOptions['unboundDigests'] },
  { request, viewer, digest, origin }: CheckedArtifact,
): BindingCheck {
  const { registries, bindings, documents, witness, named } = deps
  const registry = registries.forName(request.name)
  let asking: Promise<VersionFacts> | undefined
  let verdict: Promise<void> | undefined

  const ask = (): Promise<VersionFacts> => {
    asking ??= documents.facts(request, viewer)
    asking.catch(() => undefined) // its callers see it; there may be none left
    return asking
  }

  async function check(maxBytes: number): Promise<void> {
    // Its record may have come with it.
    const signed = named.known(request)
    if (signed === digest) {
      return bindings.add(namedVersion(registries, request, viewer), digest)
    }
    if (registry === null) return undecided('no registry is asked', signed)
    let facts: VersionFacts
    try {
      facts = await ask().catch((error: unknown) => factsOfTarball(registry, { maxBytes, error }))
    } catch (error) {
      if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return undecided(error.message, signed)
      throw error
    }
    if (!namesDigest(facts.integrity, digest)) {
      warnOfMismatch(deps, request, digest)
      throw new OtherBytes(request.name, facts)
    }
    bindings.add(namedVersion(registries, request, viewer), digest)
  }

  /** `error`: why the documents say nothing. Of a tarball that is too long to be the one, no hash is known. */
  async function factsOfTarball(
    asked: Registry,
    { maxBytes, error }: { maxBytes: number; error: unknown },
  ): Promise<VersionFacts> {
    const isMute =
      isCatalogError(error, 'UPSTREAM_UNREACHABLE') || isCatalogError(error, 'UPSTREAM_REJECTED')
    const from = isMute && !isRefusal(error) ? origin() : undefined
    if (from === undefined) throw error
    const { signal } = request
    const found = await witness.digestOf({ registry: asked, origin: from, maxBytes, signal })
    const { version } = namedVersion(registries, request, viewer)
    return { ...NO_FACTS, version, integrity: found ?? '' }
  }

  /** @param signed what the registry has signed under that name, as far as is known */
  function undecided(reason: string, signed: Digest | undefined): void {
    const { name, version } = namedVersion(registries, request, viewer)
    if (signed !== undefined) {
      warnOfMismatch(deps, request, digest)
      throw new OtherBytes(name, { ...NO_FACTS, version, integrity: signed })
    }
    // The client may have the hash from a peer that has lied about the package.
    const refusal = deps.evidence.refusal(name)
    if (refusal !== undefined) throw refusal
    if (options.unboundDigests === 'allow') {
      return deps.log.debug('binding.unchecked', { name, version, reason })
    }
    throw new CatalogError(
      'UPSTREAM_UNREACHABLE',
      `${name}@${version}: no registry says that these bytes are that version (${reason})`,
      { hint: '--unbound-digests allow lets the hash in the lockfile decide alone' },
    )
  }

  return {
    begin() {
      if (registry !== null) void ask()
    },
    done(size = MAX_BYTES) {
      verdict ??= check(size)
      verdict.catch(() => undefined) // as above
      return verdict
    },
  }
}
