/**
 * The database of the peers that libp2p remembers, and of the DHT's records. What is in it is found again, so neither a folder that
 * can't be used nor a damaged file keeps a node from starting.
 */
import { join } from 'node:path'
import { openDatabase, type Database } from '../../disk/database.ts'
import { openRenewable } from '../../disk/renewable-database.ts'
import { isCatalogError } from '../../errors.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Logger } from '../../log.ts'
import type { PeerId } from '../host.ts'
import { SqliteDatastore } from './datastore.ts'

export const PEERS_FILE = 'peers.sqlite'

/**
 * In memory when the folder can't be used, which costs a restarted node some seconds.
 * @throws CatalogError STORE_LOCKED
 */
export async function openPeers(
  deps: { readonly log: Logger; readonly groupOf: (peer: PeerId) => AddressGroup | undefined },
  { path, self }: { readonly path: string | undefined; readonly self: string },
): Promise<{ database: Database; datastore: SqliteDatastore }> {
  const use = (database: Database): { database: Database; datastore: SqliteDatastore } => {
    const datastore = new SqliteDatastore(database, { self, groupOf: deps.groupOf })
    datastore.dropOwnProviderRecords(self)
    return { database, datastore }
  }
  if (path === undefined) return use(await openDatabase(':memory:'))
  try {
    const effect = 'peers of earlier runs are found anew'
    return await openRenewable(join(path, PEERS_FILE), { ...deps, effect }, use)
  } catch (error) {
    if (!isCatalogError(error, 'STORE_FAILED')) throw error
    deps.log.info('peers.not-kept', { path, error })
    return use(await openDatabase(':memory:'))
  }
}
