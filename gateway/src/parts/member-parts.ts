/**
 * What belongs to metadata that machines of a certified swarm share, put together: whom to ask, what is believed of it, and what
 * others are given. Where it is not wanted there is none of it.
 */
import type { CatalogNode, Logger } from '@catalog-p2p/core'
import type { TrustedKeys } from '../keys/trusted-keys.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import { createMemberSource } from '../packuments/members/member-source.ts'
import { createMembers, type Members } from '../packuments/members/members.ts'
import { serveMembers } from '../packuments/members/serve-members.ts'
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'
import type { PackumentsDependencies, Packuments } from '../packuments/packument-service.ts'
import type { Registries } from '../upstream/registries.ts'

export interface MemberPartsDependencies {
  readonly node: Pick<CatalogNode, 'fleet' | 'questions'>
  readonly cache: PackumentCache
  readonly registries: Registries
  readonly trustedKeys: TrustedKeys
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}

export interface MemberParts {
  readonly distrust: Members['distrust']
  /** For the packuments. */
  readonly asking: Pick<PackumentsDependencies, 'members' | 'throughMembers'>
  /** From now on this machine takes part. */
  start(packuments: Packuments): void
  close(): Promise<void>
}

export function openMemberParts(
  deps: MemberPartsDependencies,
  options: ParsedGatewayOptions,
): MemberParts {
  const members = createMembers(deps)
  const { distrust } = members
  // What a witness signs it has seen at the registry itself.
  if (!options.fleetMetadata || options.countersign) {
    return { distrust, asking: {}, start: () => undefined, close: async () => undefined }
  }
  const keysOf = async (url: string) => (await deps.trustedKeys(url)) ?? []
  let serving: ReturnType<typeof serveMembers> | undefined
  return {
    distrust,
    asking: {
      members: { ...members, keysOf },
      throughMembers: (registry) => createMemberSource({ ...deps, ...members, registry }),
    },
    start(packuments) {
      serving = serveMembers({ ...deps, packuments }, options)
    },
    close: async () => await serving?.stop(),
  }
}
