/** What is most of the core, loaded when it is used: a program that may come to use it starts without. */
import type { CatalogNode } from './api.ts'
import type { joinSwarm as JoinSwarm } from './join-swarm.ts'
import type { NodeDependencies } from './node.ts'
import type { NodeOptions } from './options.ts'

/**
 * Builds and starts a node.
 * @throws CatalogError INVALID_OPTIONS, STORE_LOCKED, STORE_FAILED, HOST_FAILED
 */
export async function createNode(
  input?: NodeOptions,
  given?: NodeDependencies,
): Promise<CatalogNode> {
  const loaded = await import('./node.ts')
  return loaded.createNode(input, given)
}

/**
 * Joins a private swarm with an invite. The gift: a swarm file.
 * @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED when the invite is of no use there any more; `signal.reason`
 */
export async function joinSwarm(...args: Parameters<typeof JoinSwarm>): Promise<Uint8Array> {
  const loaded = await import('./join-swarm.ts')
  return loaded.joinSwarm(...args)
}
