/**
 * A client that is already configured with a catalog gateway (after `catalog use`, by hand, inside another `catalog exec`)
 * keeps it, whoever runs that gateway: without exec the client would send it the same requests. exec only counts. If no
 * catalog answers there, the client's registry from before `catalog use` is taken. Never assumes the public registry when the
 * registry is not known.
 */
import {
  daemonAt,
  findDaemon,
  readDaemonFile,
  type DaemonClient,
} from '../../admin/daemon-client.ts'
import type { Config } from '../../config/resolve.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { parseGatewayOptions } from '../../options.ts'
import { upstreamBeforeUse } from '../use/upstream-before-use.ts'
import { portOf, useDependencies } from '../shell/invocation.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import type { Terminal } from '../shell/terminal.ts'
import { directTo, type Variables } from '../../clients/variables.ts'
import { buildsFor } from './build-variables.ts'
import {
  OTHER_PORTS,
  type ExecGateway,
  type ExecStatus,
  type PreparedGateway,
} from './exec-gateway.ts'
import { daemonGateway } from './own-daemon.ts'
import { isLoopback } from '../../clients/same-registry.ts'
import { SkippedClient } from '../../clients/skipped-client.ts'
import { unkeptSettings } from './wanted-settings.ts'

export interface ConfiguredGateway {
  readonly url: string
  readonly daemon: DaemonClient
}

/** A string: the client's registry, which is `url` itself or the one behind it. @throws SkippedClient, TrustingCatalog */
export async function findConfiguredGateway(
  url: string,
  {
    config,
    terminal,
    frozenTrust,
  }: {
    readonly config: Config
    readonly terminal: Terminal
    /** Nothing in a store is to be believed, nor a catalog that believes it. */
    readonly frozenTrust: boolean
  },
): Promise<ConfiguredGateway | string> {
  const { hostname, origin, port } = new URL(url)
  if (!isLoopback(hostname)) return url
  const daemon = await daemonAt(`${origin}/`)
  if (daemon !== undefined) {
    if (frozenTrust) await requireFrozenTrust({ url: `${origin}/`, daemon })
    return { url: `${origin}/`, daemon }
  }
  const isDaemons = [portOf(config), parseGatewayOptions({}).port].includes(Number(port))
  if (port === '' || !(isDaemons || OTHER_PORTS.includes(Number(port)))) return url
  if (frozenTrust) throw silent(`${origin}/`)
  const before = isDaemons
    ? await upstreamBeforeUse(useDependencies(terminal)).catch(() => undefined)
    : undefined
  const known = before ?? config.gateway.upstream
  if (typeof known === 'string') return known
  throw new SkippedClient(
    `its registry is ${redactUrl(url)}, where no catalog runs, and which registry would be behind it is not known`,
    'start it ("catalog start"), or name the registry with --upstream',
  )
}

/** Nothing of the store shall be believed, and a client is configured with a catalog that does. */
export class TrustingCatalog extends Error {
  readonly next =
    'stop that catalog, or give the client its registry ("catalog unuse"), or leave out --frozen-trust'
}

/** @throws TrustingCatalog */
async function requireFrozenTrust({ url, daemon }: ConfiguredGateway): Promise<void> {
  const isFrozen = await daemonGateway(daemon)
    .status()
    .then(({ gateway }) => gateway.frozenTrust)
    .catch(() => {
      throw silent(url)
    })
  if (isFrozen) return
  throw new TrustingCatalog(
    `is configured with ${url}, a catalog that runs already and believes what its store says`,
  )
}

/** One that starts slowly may answer the client later. */
function silent(url: string): TrustingCatalog {
  return new TrustingCatalog(`is configured with ${url}, where no catalog says what it believes`)
}

export interface ConfiguredUse {
  readonly config: Config
  readonly env: Environment
  readonly reuse: boolean
  /** The client. */
  readonly name: string
  readonly isInstall: boolean
  /** Stops the gateway that was started in the meantime. */
  readonly leave: () => Promise<void>
}

export async function useConfigured(
  { url, daemon }: ConfiguredGateway,
  { config, env, reuse, name, isInstall, leave }: ConfiguredUse,
): Promise<PreparedGateway> {
  const gateway = daemonGateway(daemon)
  const before = await gateway.status()
  const options = await unheededOptions(url, { config, env, reuse }, before)
  const why = `${name} is configured with ${url}, a catalog that runs already, and stays there`
  const note =
    options.length === 0 ? undefined : `${why}: ${options.join(', ')} can't be heeded there`
  const builds = await buildsThere(url, { config, env, isInstall }, before)
  return {
    ...{
      gateway: { ...gateway, url },
      before: Promise.resolve(before),
      note,
      variables: builds?.variables ?? {},
    },
    async close() {
      await builds?.gateway.stop()
      await leave()
    },
  }
}

/** The client's registry is believed for packages, which have hashes; build results only of a daemon that has proved to be this user's. */
async function buildsThere(
  url: string,
  { config, env, isInstall }: Pick<ConfiguredUse, 'config' | 'env' | 'isInstall'>,
  { gateway: { builds } }: { readonly gateway: Partial<ExecStatus['gateway']> },
): Promise<{ readonly gateway: ExecGateway; readonly variables: Variables } | undefined> {
  const { mode = 'off' } = builds ?? {}
  if (mode === 'off') return undefined
  const { port } = new URL(url)
  const client = await findDaemon(config.storePath, Number(port))
  if (client?.info?.port !== Number(port)) return undefined
  const gateway = daemonGateway(client)
  const variables = await buildsFor(gateway, { mode, isInstall }, env)
  return { gateway, variables: { ...directTo(client.url, env, undefined), ...variables } }
}

/** Options of this command that differ from those of the running catalog, as far as daemon.json tells. */
async function unheededOptions(
  url: string,
  { config, env, reuse }: Pick<ConfiguredUse, 'config' | 'env' | 'reuse'>,
  { gateway }: ExecStatus,
): Promise<string[]> {
  const info = await readDaemonFile(config.storePath)
  const theirs = info?.port === Number(new URL(url).port) ? info.settings : undefined
  // The catalog exec around this one has the same environment.
  const given = unkeptSettings(config, env, theirs).filter(
    ([name]) => !gateway.temporary || config.given.get(name)?.origin.startsWith('--') === true,
  )
  return [
    ...(reuse || gateway.temporary ? [] : ['--no-reuse']),
    ...(config.peersOnly && gateway.upstream !== null ? ['--peers-only'] : []),
    ...given.map(([name, value]) => (value === false ? `--no-${name}` : `--${name}`)),
  ]
}
