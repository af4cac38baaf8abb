/**
 * `catalog use` and `catalog unuse`. Where a client gets its packages from must not change behind its user's back: see
 * clients/registry-conflict.ts.
 */
import { CatalogError } from '@catalog-p2p/core'
import { findDaemon, type DaemonClient } from '../../admin/daemon-client.ts'
import type { Config } from '../../config/resolve.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { overridingVariables } from '../../clients/client-files.ts'
import { pnpmfileVariables } from '../../clients/pnpm/pnpm-files.ts'
import type { ClientName } from '../../clients/client.ts'
import type { UsedGateway, Replacement } from './registry-conflict.ts'
import { proxyInTheWay } from '../../clients/proxy-in-the-way.ts'
import { pnpmfileFiles, refuseBothWays } from './use-pnpmfile.ts'
import { useRegistry, type Used } from './use-registry.ts'
import { unuseClients, useFiles, type FileReport, type UseDependencies } from './use.ts'
import type { UseState } from './use-state.ts'
import { loadConfig, portOf, useDependencies, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import type { Terminal } from '../shell/terminal.ts'

export interface UseFlags {
  /** Not the registry is set but pnpm's global pnpmfile; true: the one that comes with this program. */
  readonly pnpmfile?: string | true
  /** Whatever the gateway has behind it. */
  readonly force?: boolean
}

export async function useCommand(
  invocation: Invocation,
  client: ClientName,
  { pnpmfile, force = false }: UseFlags = {},
): Promise<number> {
  const { terminal } = invocation
  if (pnpmfile !== undefined && client !== 'pnpm') {
    throw new CatalogError('INVALID_OPTIONS', `--pnpmfile is for pnpm, not for ${client}`)
  }
  const config = loadConfig(invocation)
  const port = portOf(config)
  const daemon = await findDaemon(config.storePath, port)
  const url = daemon?.url ?? `http://127.0.0.1:${port}/`
  if (daemon === undefined && port === 0) {
    throw new CatalogError('INVALID_OPTIONS', 'port 0 changes with every start', {
      hint: 'choose a fixed port: clients write it into lockfiles and caches',
    })
  }
  const deps = useDependencies(terminal)
  const isFile = pnpmfile !== undefined
  const gateway = isFile ? undefined : await askGateway(invocation, { config, daemon, url })
  const { files, replacement } =
    gateway === undefined
      ? await usePnpmfile(deps, { url, source: pnpmfile === true ? undefined : pnpmfile })
      : await useRegistry(deps, client, { gateway, force })
  const overrides = isFile
    ? pnpmfileVariables(terminal.env)
    : overridingVariables(client, terminal.env)
  const proxy = isFile ? undefined : proxyInTheWay(client, deps.context, url)
  const running = daemon !== undefined
  if (config.json) {
    const names = overrides.map(({ name }) => name)
    const upstream = replacement?.upstream
    const shown = upstream === undefined ? {} : { upstream: upstream && redactUrl(upstream) }
    const by = proxy && { proxiedBy: proxy.by }
    const facts = { client, url, running, ...shown, files, overriddenBy: names, ...by }
    terminal.print(JSON.stringify(facts))
    return EXIT.ok
  }
  printFiles(terminal, files)
  const what = isFile ? 'tarballs through' : 'packages from'
  terminal.print(`${client} now gets its ${what} ${url}`)
  if (replacement !== undefined) printReplacement(terminal, replacement)
  terminal.print(terminal.paint('dim', `undo it with "catalog unuse ${client}"`))
  for (const { name } of overrides) {
    warn(terminal, `the variable ${name} is set and wins over the file: unset it`)
  }
  if (proxy !== undefined) {
    warn(terminal, `${client} would ask a proxy for this gateway (${proxy.by}): ${proxy.next}`)
  }
  if (!running) {
    const until = isFile ? 'fetches all by itself' : "can't install anything"
    warn(terminal, `no daemon is running: until "catalog start", ${client} ${until}`)
  }
  return EXIT.ok
}

/** undefined: what a daemon will have that is not there yet, and is told of none. */
async function askGateway(
  { signal }: Invocation,
  { config, daemon, url }: { config: Config; daemon: DaemonClient | undefined; url: string },
): Promise<UsedGateway> {
  const status = await daemon?.status({ signal })
  // That of `catalog exec` is gone with its command.
  if (status !== undefined && !status.gateway.temporary) {
    return { url, upstream: status.gateway.upstream, isRunning: true }
  }
  return { url, upstream: config.gateway.upstream, isRunning: false }
}

function printReplacement(terminal: Terminal, { upstream, lost }: Replacement): void {
  const behind = upstream === null ? 'none (peers only)' : redactUrl(upstream)
  terminal.print(terminal.paint('dim', `the registry behind it: ${behind}`))
  if (lost === undefined) return
  warn(terminal, `${redactUrl(lost.registry)} (${lost.where}) is not asked any more`)
}

async function usePnpmfile(
  deps: UseDependencies,
  { url, source }: { url: string; source: string | undefined },
): Promise<Used> {
  const files = await pnpmfileFiles(deps, { url, source })
  const check = (state: UseState): void => refuseBothWays(deps, state, true)
  const reports = await useFiles(deps, 'pnpm', { url, files, check })
  return { files: reports.map((report) => ({ ...report, registry: undefined })) }
}

export async function unuseCommand(
  invocation: Invocation,
  clients: readonly ClientName[] | undefined,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const files = await unuseClients(useDependencies(terminal), clients)
  if (config.json) {
    terminal.print(JSON.stringify({ files }))
    return EXIT.ok
  }
  if (files.length === 0) terminal.print('nothing to undo')
  printFiles(terminal, files)
  return EXIT.ok
}

function printFiles(terminal: Terminal, files: readonly FileReport[]): void {
  for (const { path, action, reads, note } of files) {
    const who = reads === undefined ? '' : ` (${reads})`
    terminal.print(`${terminal.paint('green', action.padEnd(9))} ${path}${who}`)
    if (note !== undefined) terminal.print(`          ${note}`)
  }
}

function warn(terminal: Terminal, text: string): void {
  terminal.note(`${terminal.paintNote('yellow', 'catalog: warning:')} ${text}`)
}
