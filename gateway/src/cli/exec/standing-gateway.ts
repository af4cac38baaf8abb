/**
 * A client that is configured with a catalog that runs stays there: exec only counts what it does there. It is asked for nothing
 * that it would not be asked for without us, so nobody has to say whose it is.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../../config/resolve.ts'
import { readDaemonFile } from '../../admin/daemon-client.ts'
import { daemonSettings } from '../start/daemon-settings.ts'
import type { ClientFamily } from './client-family.ts'
import type { PreparedGateway } from './exec-command.ts'
import type { ExecStatus } from './exec-gateway.ts'
import type { StandingCatalog } from './registry-behind.ts'

interface StandingWish {
  readonly config: Config
  readonly reuse: boolean
  readonly client: ClientFamily
}

const STATUS_TIMEOUT_MS = 5_000

export async function stayWith(
  { url, daemon }: StandingCatalog,
  wish: StandingWish,
): Promise<PreparedGateway> {
  const status = (): Promise<ExecStatus> =>
    daemon.status({ signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
  const before = await status()
  const unheeded = await unheededOptions(url, wish, before)
  const note =
    unheeded.length === 0
      ? undefined
      : `${wish.client} is configured with ${url}, a catalog that runs already, and stays there: ` +
        `${unheeded.join(', ')} can't be heeded there`
  return {
    gateway: {
      ...{ url, kind: 'daemon', status, expectsPeers: false, knownArtifacts: () => 0 },
      stop: async () => undefined,
    },
    ...{ before, note, variables: {}, close: async () => undefined },
  }
}

/** What this command was told and that catalog does otherwise, as far as can be seen. */
async function unheededOptions(
  url: string,
  { config, reuse }: StandingWish,
  { gateway }: ExecStatus,
): Promise<string[]> {
  const info = await readDaemonFile(config.storePath)
  const theirs = info?.port === Number(new URL(url).port) ? info.settings : undefined
  const given = Object.entries(daemonSettings(config)).filter(([name, value]) => {
    const origin = config.given.get(name)?.origin
    // What the environment says the command around this one was told, too.
    const counts = gateway.temporary ? origin?.startsWith('--') === true : origin !== undefined
    return counts && !isDeepStrictEqual(value, theirs?.[name])
  })
  return [
    ...(reuse || gateway.temporary ? [] : ['--no-reuse']),
    ...(config.peersOnly && gateway.upstream !== null ? ['--peers-only'] : []),
    ...given.map(([name, value]) => (value === false ? `--no-${name}` : `--${name}`)),
  ]
}
