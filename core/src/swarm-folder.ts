/**
 * Where a machine keeps what a network has told it, and what it tells there (peers, DHT records, heads, which bytes a name is):
 * each private swarm has a folder of its own, so that nothing of one reaches members of another, or the open network. It comes
 * along when the swarm has another key. Never finds that of a swarm whose key, or root, is not in hand.
 */
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from './disk/make-folder.ts'
import { errnoOf } from './disk/errno.ts'
import type { Logger } from './log.ts'
import { swarmNamesOf, type SwarmState } from './swarm/swarm.ts'

const SWARMS_FOLDER = 'private-swarms'
/** Of earlier versions, one for all: it goes to the first swarm that is started. */
const ONE_FOR_ALL = 'private-swarm'

/**
 * @param swarm undefined: the open network, whose folder is the store's own
 * @returns it need not be there yet
 */
export async function findToldFolder(
  storePath: string,
  swarm: SwarmState | undefined,
  { log }: { readonly log: Logger },
): Promise<string> {
  if (swarm === undefined) return storePath
  const parent = join(storePath, SWARMS_FOLDER)
  const [name = 'none', ...before] = swarmNamesOf(swarm)
  const current = join(parent, name)
  if (await isThere(current)) return current
  for (const folder of [
    ...before.map((each) => join(parent, each)),
    join(storePath, ONE_FOR_ALL),
  ]) {
    if (!(await isThere(folder))) continue
    try {
      await makeFolder(parent)
      await rename(folder, current)
    } catch (error) {
      log.warn('swarm.folder-not-moved', { folder, error })
      return folder
    }
    return current
  }
  return current
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
