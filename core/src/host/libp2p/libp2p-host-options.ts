/** What the libp2p host is built from. */
import type { Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import type { Host, Membership } from '../host.ts'
import type { NetworkOptions } from './listen-addresses.ts'

export interface Libp2pHostDependencies {
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  /** Whether an address is on a network of this machine's, whose machines may take more places; looked up unless given. */
  readonly isLocal?: (ip: string) => boolean
  /** Of the private swarm that this host is in; everybody may connect without one. */
  readonly membership?: Membership | undefined
}

export interface Libp2pHostOptions {
  readonly network: NetworkOptions
  /** Folder for the identity; undefined keeps it in memory. */
  readonly path: string | undefined
  /** Folder for known peers and DHT records, `path` unless given. */
  readonly peersPath?: string | undefined
}

export interface Libp2pHost extends Host {
  /** Bytes received and not read yet, of all peers together. */
  readonly unreadBytes: number
}
