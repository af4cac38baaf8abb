/**
 * The daemon that ran before the command. It replaces a gateway of exec's own only if it proves to be the one that wrote
 * daemon.json in the configured store (admin/daemon-proof.ts), has the same registry behind it, and has the settings that this
 * command was given. In doubt it is only a peer.
 */
import { findDaemon, type DaemonClient, type DaemonStatus } from '../../admin/daemon-client.ts'
import { holdBuildToken, type HeldToken } from '../../admin/hold-build-token.ts'
import type { Config } from '../../config/resolve.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import { withoutUser } from '../../upstream/registries.ts'
import { portOf } from '../shell/invocation.ts'
import type { ExecGateway } from './exec-gateway.ts'
import { unkeptSettings } from './wanted-settings.ts'

export interface FoundDaemon {
  readonly client: DaemonClient
  readonly status: DaemonStatus
}

const STATUS_TIMEOUT_MS = 5_000

/** The catalog that answers at the configured port, ours or not. */
export async function findRunningDaemon(config: Config): Promise<FoundDaemon | undefined> {
  const client = await findDaemon(config.storePath, portOf(config))
  const status = client && (await statusOf(client).catch(() => undefined))
  return client && status && { client, status }
}

interface Command {
  readonly env: Environment
  readonly registry: string
  /** It has credentials or authorities that the daemon may lack. */
  readonly hasOwnConnection: boolean
}

export function isUsable(
  { client: { info }, status }: FoundDaemon,
  config: Config,
  { env, registry, hasOwnConnection }: Command,
): boolean {
  const { upstream, temporary } = status.gateway
  if (info === undefined || temporary || hasOwnConnection) return false
  if (unkeptSettings(config, env, info.settings).length > 0) return false
  if (config.peersOnly || upstream === null) return config.peersOnly && upstream === null
  return withoutUser(upstream) === withoutUser(registry)
}

/** If it stops meanwhile, the client's requests fail as with any registry that is down. */
export function daemonGateway(client: DaemonClient): ExecGateway {
  const { url, info } = client
  let held: HeldToken | undefined
  return {
    ...{ url, kind: 'daemon', expectsPeers: false, hasHeardEnough: () => false },
    status: () => statusOf(client),
    async buildToken() {
      if (info === undefined) return undefined
      // Without one build tools only read.
      held ??= await holdBuildToken({ url, token: info.token }).catch(() => undefined)
      return held?.token
    },
    stop: async () => held?.end(),
  }
}

function statusOf(client: DaemonClient): Promise<DaemonStatus> {
  return client.status({ signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
}
