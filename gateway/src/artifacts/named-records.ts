/**
 * Records beside the registry: which bytes a version is, from this node's own records or from peers, with the registry's own
 * signature; and what the registry itself has said here, kept as records for others. Only of packages that are public as far as
 * is known: no peer is asked about any other, and a registry that is not public never gets an answer that npm has signed.
 */
import {
  findDigest,
  isDigest,
  type ArtifactRecord,
  type CatalogNode,
  type Digest,
  type Logger,
  type PackageVersion,
} from '@catalog-p2p/core'
import { parseSignatures } from '../keys/registry-signature.ts'
import type { Viewer } from '../packuments/packument-service.ts'
import type { VersionFacts } from '../packuments/version-lines.ts'
import type { Registries } from '../upstream/registries.ts'
import type { ArtifactAccess } from './artifact-access.ts'
import {
  factsAtHand,
  type ArtifactRequest,
  type RecordLookup,
  type TargetDependencies,
} from './artifact-target.ts'
import type { VersionDocuments } from './version-documents.ts'

export interface NamedRecords extends RecordLookup {
  /** A public artifact is complete, and the registry has these bytes under that name: keeps what it has signed. */
  note(access: ArtifactAccess, digest: Digest): void
}

export interface NamedRecordsDependencies extends TargetDependencies {
  readonly node: CatalogNode
  readonly registries: Registries
  readonly documents: VersionDocuments
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}

export function createNamedRecords(deps: NamedRecordsDependencies): NamedRecords {
  const { node, registries, isKnownPublic, log } = deps

  function versionOf({ name, version }: ArtifactRequest): PackageVersion | undefined {
    if (version === undefined || !isKnownPublic(name)) return undefined
    return { registry: registries.homeOf(name).url, name, version }
  }

  async function keep(access: ArtifactAccess, digest: Digest): Promise<void> {
    const version = versionOf(access.request)
    if (version === undefined || node.findRecord(version)?.digest === digest) return
    const { request, viewer } = access
    const facts = access.target.facts ?? (await factsOf(request, viewer))
    if (facts === undefined) return
    for (const record of recordsOf(version, facts)) {
      if (record.digest === digest && (await node.addRecord(record)) === 'valid') return
    }
  }

  async function factsOf(
    request: ArtifactRequest,
    viewer: Viewer,
  ): Promise<VersionFacts | undefined> {
    return deps.documents.recent(request, viewer) ?? (await factsAtHand(deps, request, viewer))
  }

  return {
    known(request) {
      const version = versionOf(request)
      return version && node.findRecord(version)?.digest
    },
    async resolve(request) {
      const version = versionOf(request)
      const record = version && (await node.resolve(version, { signal: request.signal }))
      return record?.digest
    },
    note(access, digest) {
      keep(access, digest).catch((error: unknown) => log.debug('records.not-kept', { error }))
    },
  }
}

/** What the registry has signed of a version whose one hash is a sha512. */
function recordsOf(version: PackageVersion, facts: VersionFacts): ArtifactRecord[] {
  const digest = findDigest(facts.integrity)
  if (digest === undefined || !isDigest(facts.integrity)) return []
  return parseSignatures(facts.signatures).map(({ keyid, sig }) => ({
    ...version,
    digest,
    evidence: {
      kind: 'registry-signature',
      keyId: keyid,
      signature: Uint8Array.from(Buffer.from(sig, 'base64')),
    },
  }))
}
