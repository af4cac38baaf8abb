/**
 * What lasts for one Yarn run: the daemon, what is known of versions, and the counts for the line at the end. Commands that
 * Yarn runs inside another one (`yarn dlx`) share it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { npath, ppath } from '@yarnpkg/fslib'
import type { Configuration } from '@yarnpkg/core'
import type { ArchiveAddresses } from './archive-addresses.ts'
import { createAskOnce } from './ask-once.ts'
import { createDaemon, type Daemon, type Gateway } from './daemon.ts'
import { sharedRegistry, type GatewayRegistry } from './gateway-registries.ts'
import { KnownVersions } from './known-versions.ts'
import { launchDaemon, type LaunchOptions } from './launch.ts'
import { readDaemonSettings, yarnDefaultRegistry, type DaemonSettings } from './settings.ts'

export interface Counts {
  /** Tarballs, by where the daemon had them. */
  readonly daemon: Record<string, number>
  /** Tarballs that Yarn fetched itself while a daemon was there to be asked. */
  direct: number
  /** `name@version` of tarballs that the daemon had wrong. */
  readonly wrong: string[]
  /** `name@version` of what came with no hash to check it by. */
  readonly unchecked: string[]
}

export interface Session {
  readonly known: KnownVersions
  /** undefined: this Yarn does not tell whose tarball an unusual address is. */
  readonly archives: ArchiveAddresses | undefined
  readonly counts: Counts
  /** undefined: switched off, or its address is none. */
  daemon(configuration: Configuration): Daemon | undefined
  /** The gateway that serves this very package of this very registry. */
  gatewayFor(
    configuration: Configuration,
    wanted: { readonly name: string; readonly registry: string },
  ): Promise<{ gateway: Gateway; registry: GatewayRegistry } | undefined>
  /** Runs `ask` once for each registry and name, whoever needs it. */
  lookUp(what: { registry: string; name: string }, ask: () => Promise<void>): Promise<void>
}

/** A tarball that the daemon had, and that is the right one. */
export function countServed({ counts }: Session, headers: Readonly<IncomingHttpHeaders>): void {
  const source = String(headers['x-catalog-source'] ?? 'store')
  counts.daemon[source] = (counts.daemon[source] ?? 0) + 1
}

/** `env`: the user's, for a daemon; Yarn's own has the project's .env.yarn in it, and a daemon serves other projects, too. */
export function createSession(env: LaunchOptions['env'], archives: Session['archives']): Session {
  const daemons = new Map<string, Daemon>()
  const askOnce = createAskOnce<void>()

  function daemon(configuration: Configuration): Daemon | undefined {
    const settings = readDaemonSettings(configuration)
    const { url } = settings
    if (url === undefined) return undefined
    const launch = (): boolean => settings.start && launchFor(configuration, { settings, url, env })
    const found = daemons.get(url.href) ?? createDaemon({ url, launch })
    daemons.set(url.href, found)
    return found
  }

  return {
    known: new KnownVersions(),
    archives,
    counts: { daemon: {}, direct: 0, wrong: [], unchecked: [] },
    daemon,
    lookUp({ registry, name }, ask) {
      return askOnce(`${registry} ${name}`, ask)
    },
    async gatewayFor(configuration, wanted) {
      const gateway = await daemon(configuration)?.gateway()
      if (gateway === undefined) return undefined
      const yarnDefault = yarnDefaultRegistry(configuration)
      const registry = sharedRegistry(gateway.registries, wanted, yarnDefault)
      return registry && { gateway, registry }
    },
  }
}

function launchFor(
  configuration: Configuration,
  { settings, url, env }: { settings: DaemonSettings; url: URL; env: LaunchOptions['env'] },
): boolean {
  const logFile = ppath.join(configuration.get('globalFolder'), 'catalog-daemon.log')
  try {
    return launchDaemon({
      ...{ command: settings.command, env, port: Number(url.port || 80) },
      logFile: npath.fromPortablePath(logFile),
    })
  } catch {
    return false // no folder for its log, no right to start it: then there is no daemon
  }
}
