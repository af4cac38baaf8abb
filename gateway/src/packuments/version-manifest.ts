/**
 * One version's own part of metadata at hand: the registry's word before that of peers, and of theirs what the registry has signed. Asks
 * nobody.
 */
import type { PackumentCache } from './cache/packument-cache.ts'
import type { PackumentJobs } from './worker/packument-jobs.ts'
import type { PeerEvidence } from './peers/peer-evidence.ts'
import { packSignatures, type VersionFacts } from './document/version-lines.ts'

export interface ManifestRequest {
  /** undefined: of any registry. */
  readonly registry: string | undefined
  readonly name: string
  /** A version or a tag. */
  readonly spec: string
  /** Fingerprints whose documents may be looked into; the empty one is everybody's. */
  readonly owners: readonly string[]
}

export interface VersionManifest {
  /** JSON. */
  readonly text: string
  /** Whose documents it is from. */
  readonly owner: string
  readonly isPeers: boolean
}

export interface ManifestDependencies {
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly evidence: Pick<PeerEvidence, 'isSigned'>
}

export async function findManifest(
  { cache, jobs, evidence }: ManifestDependencies,
  { maxBytes }: { readonly maxBytes: number },
  { registry, name, spec, owners }: ManifestRequest,
): Promise<VersionManifest | undefined> {
  for (const document of cache.findByName(registry, name, owners)) {
    const { id, hash, owner, peerFetchedAtMs } = document
    const body = await cache.bodies.read({ document: id, hash, part: 'raw' })
    if (body === undefined) continue
    const about = { registry: document.registry, name, isPrivate: owner !== '', maxBytes }
    const { picked } = await jobs.run({
      ...{ ...about, body, codings: ['gzip'], form: undefined, abbreviate: false, ingest: false },
      pick: spec,
    })
    if (picked === undefined) continue
    const isPeers = peerFetchedAtMs !== undefined
    if (isPeers && !(await evidence.isSigned(document, factsIn(picked)))) continue
    return { text: picked, owner, isPeers }
  }
  return undefined
}

/** Of a document that was made here of peers' words. */
function factsIn(manifest: string): VersionFacts {
  const { version, dist } = JSON.parse(manifest) as {
    version: string
    dist: { integrity: string; signatures: unknown }
  }
  const signatures = packSignatures(dist.signatures)
  return { version, integrity: dist.integrity, signatures, shasum: '', tarball: '' }
}
