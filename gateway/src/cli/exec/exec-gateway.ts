/**
 * The gateway that a command gets its packages from: the daemon that runs already, if what it would ask is what the command
 * would have asked, else one of our own that ends with us. Never one whose registry or credentials are others than the command's.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { findDaemon, type DaemonClient, type DaemonStatus } from '../../admin/daemon-client.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import { portOf } from '../command.ts'
import type { Routing } from './client-environment.ts'
import type { ExecPlace } from './client-registry.ts'
import { daemonFits } from './daemon-fits.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'
import { startInPassing, startOwn } from './own-gateway.ts'
import { isOwnOrSystems } from './port-owner.ts'
import { reuseDaemon } from './reused-daemon.ts'

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
  /**
   * Where it may go while the command runs: until `signal`, then at once what took its place, if anything did. Never rejects.
   */
  keep?(watch: { signal: AbortSignal; warn(text: string): void }): Promise<StandIn | undefined>
  /** Why its registry gave nothing, if that is known. */
  failure?(): string | undefined
  /** Idempotent. */
  stop(): Promise<void>
}

/** At the same place, until stop() of what it stands in for. */
export interface StandIn {
  readonly gateway: ExecGateway
  /** What it had done when it began. */
  readonly before: ExecStatus
}

export interface ExecGatewayWish {
  readonly config: Config
  readonly routing: Routing
  readonly place: ExecPlace
  readonly npm: NpmConfig
  readonly log: Logger
  readonly version: string
  /** false: never use a daemon that runs. */
  readonly reuse: boolean
  /** For a gateway of our own, and no others; by default the configured one and those beside it. */
  readonly ports?: readonly number[]
}

const STATUS_TIMEOUT_MS = 5_000

/** @throws CatalogError when neither is possible; the command then runs without us */
export async function openGateway(wish: ExecGatewayWish): Promise<ExecGateway> {
  const { config, reuse } = wish
  const daemon = await findDaemon(config.storePath, portOf(config))
  const now = daemon === undefined ? undefined : await statusOf(daemon).catch(() => undefined)
  if (
    daemon !== undefined &&
    now !== undefined &&
    reuse &&
    isSuitable(wish, daemon, now) &&
    (await isTrusted(daemon))
  ) {
    return reuseDaemon(daemon.url, () => statusOf(daemon), wish)
  }
  // Not for us, but a peer as good as any.
  const peers = now?.node.addresses ?? []
  return daemon?.info === undefined ? startOwn(wish, peers) : startInPassing(wish, peers)
}

/** What no lockfile has a digest of the command would believe it; so it has proved to be ours, or is the machine's. */
async function isTrusted({ info, url }: DaemonClient): Promise<boolean> {
  return info !== undefined || isOwnOrSystems(Number(new URL(url).port))
}

function isSuitable(wish: ExecGatewayWish, { info }: DaemonClient, now: DaemonStatus): boolean {
  const { config, routing, place, npm, log } = wish
  const npmConfig = gatewayNpmConfig(
    npm,
    { ...routing.credentials, ...routing.connection },
    place.env,
  )
  return daemonFits({ config, routing, place, npmConfig, info, now, log })
}

function statusOf(daemon: DaemonClient): Promise<DaemonStatus> {
  return daemon.status({ signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
}
