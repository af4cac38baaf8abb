/** What the parts of `catalog exec` share: the gateway of a command, and how it is prepared. */
import type { DaemonStatus } from '../../admin/daemon-client.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import type { Variables } from '../../clients/variables.ts'

/** Tried in this order when the configured port is taken. Fixed, because caches and lockfiles remember the URL. */
export const OTHER_PORTS = [48_740, 48_741, 48_742, 48_743, 0]

export type ExecStatus = Pick<DaemonStatus, 'gateway' | 'node'>

export interface ExecGateway {
  readonly url: string
  /** daemon: it ran before and goes on; own: ends with stop(). */
  readonly kind: 'daemon' | 'own'
  status(): Promise<ExecStatus>
  /** With which build tools write here until `stop`, and no longer. undefined: it may be somebody else's, or they do not write. */
  buildToken(): Promise<string | undefined>
  /** Peers were named: it is of little use before it is connected to one. */
  readonly expectsPeers: boolean
  /** Looks for peers from now on, if it does not yet; before, it has its store and the registry. */
  meetPeers?(): void
  /** A peer has something, or those that were named have told what they hold, be it nothing. */
  hasHeardEnough(): boolean
  /** Why its registry failed, if that is known. */
  failure?(): string | undefined
  /** Idempotent. */
  stop(): Promise<void>
}

/** What a gateway of exec has behind it. */
export interface ResolvedRegistry {
  /** As it is configured: it may hold a user and a password. */
  readonly registry: string
  readonly npmConfig: NpmConfig
  /** The project or this shell says how to connect, or with which credentials. */
  readonly hasOwnConnection: boolean
}

/** Ready to be used. */
export interface PreparedGateway {
  readonly gateway: ExecGateway
  /** Its counters before it was asked for anything; rejects with the reason when there is no gateway after all. */
  readonly before: Promise<ExecStatus>
  /** For the command. */
  readonly variables: Variables
  /** Where the gateway was not there when the command started: it has ended, and nothing is worth waiting for. */
  ended?(): void
  /** A message for the user. */
  readonly note?: string | undefined
  /** Never throws, never takes long. */
  close(): Promise<void>
}

/** Why there is no gateway for the command, and what its user can do about it, if anything. */
export interface Unprepared {
  readonly problem: string
  readonly next?: string
  /** Nor may the command run without one. */
  readonly refused?: true
  /** Cleans up after a start that came to nothing. Never throws, never takes long. */
  leave?(): Promise<void>
}
