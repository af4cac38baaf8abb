/**
 * Which packages of the network anybody may see named here, as peers may: not a private swarm's, not what the user calls private, and
 * of those that this machine has published only what peers are told of. Pure.
 */
import type { CatalogNode } from '@catalog-p2p/core'

export interface OpenNameRules {
  readonly publications: Pick<CatalogNode['publications'], 'own' | 'offered'>
  readonly isInSwarm: boolean
  readonly isPrivate: (name: string) => boolean
}

export function createOpenNames({
  publications,
  isInSwarm,
  isPrivate,
}: OpenNameRules): (name: string) => boolean {
  return (name) => {
    if (isInSwarm || isPrivate(name)) return false
    // Several keys of this machine may have published it.
    return publications
      .own()
      .every((head) => head.name !== name || publications.offered(head) !== undefined)
  }
}
