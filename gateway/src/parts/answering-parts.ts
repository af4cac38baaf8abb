/**
 * What answers requests for packages: built once for the programs of this machine, with what its user may have, and once for guests
 * (bridges/), with what a stranger may have. What both know of the same package lies in the same caches, by whose it is.
 */
import {
  createArtifacts,
  type Artifacts,
  type ArtifactsDependencies,
} from '../artifacts/artifacts.ts'
import { EarlyTarballs } from '../artifacts/early-tarballs.ts'
import { createVersionDocuments } from '../artifacts/versions/version-documents.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import {
  createPackuments,
  type Packuments,
  type PackumentsDependencies,
} from '../packuments/packument-service.ts'
import { withoutCertificate, withoutCredentials } from '../upstream/guest-upstream.ts'
import type { Registries } from '../upstream/registries.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface AnsweringParts {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly packuments: Packuments
  readonly artifacts: Artifacts
}

type Made = 'packuments' | 'documents' | 'early'

export type AnsweringDependencies = PackumentsDependencies & Omit<ArtifactsDependencies, Made>

export function openAnsweringParts(
  deps: AnsweringDependencies,
  options: ParsedGatewayOptions,
): AnsweringParts {
  const { registries, upstream } = deps
  const packuments = createPackuments(deps, { ...options, maxBytes: options.maxPackumentBytes })
  const asking = { ...deps, packuments }
  const artifacts = createArtifacts(
    {
      ...asking,
      documents: createVersionDocuments(asking),
      early: new EarlyTarballs(deps, { maxOpen: options.upstreamSockets >> 1 }),
    },
    options,
  )
  return { registries, upstream, packuments, artifacts }
}

/** The same for guests: with half of the connections for what is fetched ahead of them, the rest is for this machine. */
export function openGuestParts(
  deps: AnsweringDependencies,
  options: ParsedGatewayOptions,
): AnsweringParts {
  return openAnsweringParts(
    {
      ...deps,
      registries: withoutCredentials(deps.registries),
      upstream: withoutCertificate(deps.upstream),
      privateAccess: deps.privateAccess.forGuests(),
    },
    { ...options, upstreamSockets: options.upstreamSockets >> 1 },
  )
}
