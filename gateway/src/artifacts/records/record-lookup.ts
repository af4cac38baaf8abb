/** Records of versions, as those that look for an artifact see them (named-records.ts). Types only. */
import type { Digest, PackageVersion } from '@catalog-p2p/core'
import type { ArtifactRequest } from '../artifact-request.ts'

/** Which bytes a version is, by the registry's signature. */
export interface RecordLookup {
  /** From this node's records: no request leaves it. */
  known(request: ArtifactRequest): Digest | undefined
  /** From peers that list it; undefined when none does or could show evidence. @throws `request.signal.reason` */
  resolve(
    request: ArtifactRequest,
    options?: { readonly fetch: boolean },
  ): Promise<Digest | undefined>
  /** Whether a peer says that it has it, by its name. */
  isListed(request: ArtifactRequest): boolean
  /** What another machine of the fleet fetches for all; undefined: this one does, or there is no fleet. */
  delegated(request: ArtifactRequest): PackageVersion | undefined
  /** `resolve` with `fetch` asks that machine, which has it or fetches it, before all others. */
  isFetchedByName(request: ArtifactRequest): boolean
}
