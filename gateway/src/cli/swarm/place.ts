/** The file that the `catalog swarm` commands change. */
import { CatalogError, type SwarmFile } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import { swarmFilePath } from '../../config/swarm-place.ts'
import { readSwarmFile } from '../../swarm/swarm-text.ts'

/** There may be none yet. @throws CatalogError INVALID_OPTIONS when the swarm is in the environment */
export function swarmFileOf({ swarm }: Config): string {
  if (swarm?.kind === 'secret') {
    throw new CatalogError('INVALID_OPTIONS', 'CATALOG_SWARM holds a swarm, so there is no file', {
      hint: 'unset it for this command, or let it name a file',
    })
  }
  return swarm?.path ?? swarmFilePath(defaultConfigFolder())
}

/** @throws CatalogError INVALID_OPTIONS, NOT_FOUND when this machine is in none */
export function requireSwarmFile(config: Config): { path: string; file: SwarmFile } {
  const path = swarmFileOf(config)
  const file = readSwarmFile(path)
  if (file !== undefined) return { path, file }
  throw new CatalogError('NOT_FOUND', 'this machine is in no private swarm', {
    hint: '"catalog swarm init" makes one, "catalog swarm join" takes an invite',
  })
}
