/** The gateway that a command gets its packages from, as the parts of `catalog exec` speak of it. Types only. */
import type { Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import type { DaemonStatus } from '../../admin/daemon-client.ts'
import type { Environment, NpmConfig } from '../../upstream/npmrc.ts'
import type { Variables } from '../../clients/variables.ts'

export type ExecStatus = Pick<DaemonStatus, 'gateway' | 'node'>

export interface ExecGateway {
  readonly url: string
  /** daemon: it was there before and stays; own: ends with stop(). */
  readonly kind: 'daemon' | 'own'
  status(): Promise<ExecStatus>
  /** Peers that were named, and should be met before it is of use. */
  readonly expectsPeers: boolean
  /** Artifacts that peers are known to hold. */
  knownArtifacts(): number
  /** Why its registry gave nothing, if that is known. */
  failure?(): string | undefined
  /** Idempotent. */
  stop(): Promise<void>
}

/** What goes behind a gateway. */
export interface Behind {
  /** As it is configured: it may hold a user and a password. */
  readonly registry: string
  readonly npmConfig: NpmConfig
  /** The project or this shell says how to connect, or with which credentials. */
  readonly hasOwnConnection: boolean
}

export interface GatewayRequest {
  readonly config: Config
  readonly env: Environment
  /** The client is still being asked while the node starts; what is started ends when this rejects. */
  readonly behind: Promise<Behind>
  readonly log: Logger
  readonly version: string
  /** false: never use a daemon that runs. */
  readonly reuse: boolean
}

/** Ready to be used. */
export interface PreparedGateway {
  readonly gateway: ExecGateway
  /** What it had done before it did something for the command. */
  readonly before: ExecStatus
  /** For the command. */
  readonly variables: Variables
  /** What its user must know of it. */
  readonly note?: string | undefined
  /** Never throws, never takes long. */
  close(): Promise<void>
}

/** Why there is no gateway for the command, and what its user can do about it, if anything. */
export interface Unprepared {
  readonly problem: string
  readonly next?: string
  /** Cleans up after a start that came to nothing. Never throws, never takes long. */
  leave?(): Promise<void>
}
