/**
 * Records beside the registry: which bytes a version is, from this node's own records or from peers, with the registry's own
 * signature; and what the registry itself has said here, kept as records for others. Only of packages that are public as far as
 * is known: no peer is asked about any other, and a registry that is not public never gets an answer that npm has signed.
 */
import { LRUCache } from 'lru-cache'
import {
  isCatalogError,
  nameKeyOf,
  type ArtifactRecord,
  type CatalogNode,
  type Digest,
  type Logger,
  type PackageVersion,
} from '@catalog-p2p/core'
import type { Viewer } from '../../packuments/packument-service.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'
import type { Registries } from '../../upstream/registries.ts'
import type { ArtifactAccess } from '../artifact-access.ts'
import { factsAtHand, type ArtifactRequest, type TargetDependencies } from '../artifact-target.ts'
import type { MissingRecords } from './missing-records.ts'
import { recordsOf } from './signed-records.ts'
import { createUnsignedRegistries } from '../versions/unsigned-registries.ts'
import type { RecordLookup } from './record-lookup.ts'
import type { VersionDocuments } from '../versions/version-documents.ts'

export interface NamedRecords extends RecordLookup {
  /** A public artifact is complete, and the registry has these bytes under that name: keeps what it has signed. */
  note(access: ArtifactAccess, digest: Digest): void
  /** There is a record of that version if the registry has signed it: it is asked when that is not known here. */
  ensure(request: ArtifactRequest, viewer: Viewer): Promise<void>
}

export interface NamedRecordsDependencies extends TargetDependencies {
  readonly node: CatalogNode
  readonly registries: Registries
  readonly documents: VersionDocuments
  readonly isKnownPublic: (name: string) => boolean
  /** Told of versions of which nothing signed is at hand; undefined: nobody is. */
  readonly missing?: Pick<MissingRecords, 'note'> | undefined
  readonly log: Logger
}

/**
 * Versions whose record is kept, or of which the metadata at hand has none, so that nothing need be looked up when they are asked
 * for again. Not for ever: a key may have been dropped since, or metadata come that has one.
 */
const NOTED = { maxSize: 20_000, sizeCalculation: () => 1, ttl: 600_000 }

export function createNamedRecords(deps: NamedRecordsDependencies): NamedRecords {
  const { node, registries, isKnownPublic, log } = deps
  /** Registries of which delegates have no records: only who has a digest can ask a delegate. */
  const mute = createUnsignedRegistries()
  const unsigned = createUnsignedRegistries()
  const noted = new LRUCache<Digest, PackageVersion>(NOTED)

  function versionOf({ name, version }: ArtifactRequest): PackageVersion | undefined {
    if (version === undefined || !isKnownPublic(name)) return undefined
    return { registry: registries.homeOf(name).url, name, version }
  }

  function delegated(request: ArtifactRequest): PackageVersion | undefined {
    const version = request.isErrand === true ? undefined : versionOf(request)
    if (version === undefined || node.fleet.delegateOf(version) === undefined) return undefined
    return version
  }

  function isFetchedByName(request: ArtifactRequest): boolean {
    const version = delegated(request)
    if (version === undefined || mute.has(version.registry)) return false
    const holders = node.questions.holders(nameKeyOf(version))
    const delegate = node.fleet.delegateOf(version)
    return holders.length === 0 || (delegate !== undefined && holders.includes(delegate))
  }

  function isListed(request: ArtifactRequest): boolean {
    const version = versionOf(request)
    return version !== undefined && node.questions.holders(nameKeyOf(version)).length > 0
  }

  /** Of bytes that have several names, the last one. */
  function isNoted({ name, version }: ArtifactRequest, digest: Digest): boolean {
    const { name: last, version: of, registry } = noted.get(digest) ?? {}
    return last === name && of === version && registry === registries.homeOf(name).url
  }

  async function keep(access: ArtifactAccess, digest: Digest): Promise<void> {
    const { request, viewer, target } = access
    const version = versionOf(request)
    if (version === undefined) return
    if (node.findRecord(version)?.digest !== digest) {
      const facts = target.facts ?? (await factsOf(deps, request, viewer))
      if (facts === undefined) return deps.missing?.note(version, digest)
      const records = recordsOf(version, facts).filter((record) => record.digest === digest)
      // Its key may still come.
      if (records.length > 0 && !(await isKept(records))) return
    }
    noted.set(digest, version)
  }

  /** One of them. */
  async function isKept(records: readonly ArtifactRecord[]): Promise<boolean> {
    for (const record of records) if ((await node.addRecord(record)) === 'valid') return true
    return false
  }

  return {
    known(request) {
      const version = versionOf(request)
      return version && node.findRecord(version)?.digest
    },
    async resolve(request, { fetch } = { fetch: false }) {
      const version = versionOf(request)
      if (version === undefined) return undefined
      const isFetched = fetch && isFetchedByName(request)
      const { signal } = request
      const record = await node.resolve(version, { signal, fetch: isFetched })
      if (isFetched) mute.note(version.registry, version.name, record !== undefined)
      return record?.digest
    },
    delegated,
    isFetchedByName,
    isListed,
    async ensure(request, viewer) {
      const version = versionOf(request)
      if (version === undefined || node.findRecord(version) || unsigned.has(version.registry))
        return
      try {
        const facts = await deps.documents.facts(request, viewer)
        unsigned.note(version.registry, version.name, await isKept(recordsOf(version, facts)))
      } catch (error) {
        if (!isCatalogError(error)) throw error
        log.debug('records.not-learned', { ...version, error })
      }
    },
    note(access, digest) {
      if (isNoted(access.request, digest)) return
      keep(access, digest).catch((error: unknown) => log.debug('records.not-kept', { error }))
    },
  }
}

async function factsOf(
  deps: NamedRecordsDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<VersionFacts | undefined> {
  return deps.documents.recent(request, viewer) ?? (await factsAtHand(deps, request, viewer))
}
