/**
 * What every command gets: the terminal, the resolved configuration, and a signal that Ctrl-C aborts. Commands print and
 * return an exit code; they never end the process.
 */
import { CatalogError, defaultStorePath } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import { resolveConfig, type Config } from '../../config/resolve.ts'
import { findDaemon, type DaemonClient } from '../../admin/daemon-client.ts'
import { parseGatewayOptions } from '../../options.ts'
import { clientContext } from '../../clients/client.ts'
import { useStatePath } from '../use/use-state.ts'
import type { UseDependencies } from '../use/use.ts'
import type { Terminal } from './terminal.ts'

export interface Invocation {
  readonly terminal: Terminal
  /** By setting name. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly configFile: string | undefined
  /** Ctrl-C. */
  readonly signal: AbortSignal
}

export function loadConfig({ terminal, flags, configFile }: Invocation): Config {
  const config = resolveConfig({
    flags,
    configFile,
    env: terminal.env,
    configFolder: defaultConfigFolder(),
    cwd: terminal.cwd,
    home: terminal.home,
    defaultStore: defaultStorePath(),
  })
  for (const warning of config.warnings) {
    terminal.note(`${terminal.paintNote('yellow', 'catalog: warning:')} ${warning}`)
  }
  return config
}

/** For commands that need no configuration: as loadConfig would say. */
export function wantsJson({ terminal, flags }: Invocation): boolean {
  return (flags.json ?? /^(?:1|true|yes|on)$/i.test(terminal.env.CATALOG_JSON ?? '')) === true
}

/** The port that a daemon with this configuration listens on. */
export function portOf(config: Config): number {
  return parseGatewayOptions(config.gateway).port
}

/** @throws CatalogError DAEMON_NOT_RUNNING */
export async function requireDaemon(config: Config): Promise<DaemonClient> {
  const daemon = await findDaemon(config.storePath, portOf(config))
  if (daemon !== undefined) return daemon
  throw new CatalogError('DAEMON_NOT_RUNNING', 'no catalog daemon is running', {
    hint: 'start it with "catalog start"; if it has another store folder, name it with --store',
  })
}

export function useDependencies(terminal: Terminal): UseDependencies {
  return { context: clientContext(terminal), statePath: useStatePath(defaultConfigFolder()) }
}
