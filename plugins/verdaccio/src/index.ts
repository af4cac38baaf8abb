/**
 * The Verdaccio plugin (middleware): builds its parts from the configuration and hangs them into Verdaccio. Whatever is wrong,
 * with the configuration, with Verdaccio's shape or with the network, Verdaccio works on as if it were not there.
 * https://verdaccio.org/docs/plugin-middleware
 */
import type { Server } from 'node:http'
import type { Logger } from '@catalog-p2p/core'
import { createClientHandler } from './client-requests.ts'
import { createCounters } from './counters.ts'
import { createDaemonLink } from './daemon-source.ts'
import { createTarballFetcher } from './fetch-tarball.ts'
import { intercept, type Seeding } from './intercept.ts'
import { revisitVisibility } from './revisit-visibility.ts'
import { createNodeLog, createPluginLog } from './log.ts'
import {
  createNodeLifecycle,
  type NodeLifecycle,
  type NodeLifecycleDependencies,
} from './node-lifecycle.ts'
import { parseOptions, placeOf, sectionOf, type PluginOptions } from './options.ts'
import { createPrivacy, policyOf, type Privacy } from './privacy.ts'
import { createContexts } from './request-context.ts'
import { seedExisting } from './seed-existing.ts'
import { createSeeder, type Seeder } from './seeding.ts'
import { onShutdown } from './shutdown.ts'
import { addStatusRoutes } from './status.ts'
import { createStoredTarballs } from './stored-tarball.ts'
import {
  inspectStorage,
  type Inspected,
  type VerdaccioApp,
  type VerdaccioLogger,
} from './verdaccio.ts'
import { createUnpublishSync } from './unpublish-sync.ts'

interface Given {
  readonly config: unknown
  readonly logger: VerdaccioLogger
}

type Found = Extract<Inspected, { ok: true }>

export class CatalogMiddleware {
  readonly #given: Given
  readonly #log: Logger

  /** As Verdaccio calls it: its configuration merged with the plugin's section, and what it gives to every plugin. */
  constructor(_merged: unknown, given: Given) {
    this.#given = given
    this.#log = createPluginLog(given.logger)
  }

  /** Called before Verdaccio's own routes are added; not awaited. */
  register_middlewares(app: VerdaccioApp, _auth: unknown, storage: unknown): void {
    try {
      this.#register(app, storage)
    } catch (error) {
      this.#log.error('plugin.failed', { error, next: 'Verdaccio serves without it' })
    }
  }

  #register(app: VerdaccioApp, storage: unknown): void {
    const { config } = this.#given
    const parsed = parseOptions(sectionOf(config), placeOf(config))
    if (!parsed.ok) {
      const next =
        'Verdaccio serves without peers and without checking integrity until it is mended'
      return this.#log.error('config.invalid', { problems: parsed.problems, next })
    }
    if (!parsed.options.enabled) return this.#log.info('plugin.disabled')
    const found = inspectStorage(storage)
    if (!found.ok) {
      const next = 'this plugin knows Verdaccio 6; Verdaccio serves without it'
      return this.#log.error('verdaccio.unknown', { missing: found.missing, next })
    }
    hangIn(app, { ...this.#given, log: this.#log, options: parsed.options, found })
  }
}

export default CatalogMiddleware

interface Setup extends Given {
  readonly log: Logger
  readonly options: PluginOptions
  readonly found: Found
}

function hangIn(app: VerdaccioApp, setup: Setup): void {
  const { config, log, options, found } = setup
  const { storage, uplinkPrototype } = found
  const { localStorage } = storage
  const counters = createCounters()
  const contexts = createContexts()
  const privacy = createPrivacy(config, options)
  const lifecycle = options.mode === 'node' ? nodeLifecycle(setup, privacy) : undefined
  const daemon = options.mode === 'daemon' ? daemonLink(setup) : undefined
  const files = createStoredTarballs(localStorage)
  const unpublishSync =
    lifecycle && createUnpublishSync({ localStorage, files, counters, log, node: lifecycle.ready })
  const fetcher = createTarballFetcher(
    { localStorage, privacy, counters, log, daemon, unpublishSync, node: () => lifecycle?.running },
    options,
  )
  const seeding = { localStorage, files, privacy, counters, log }
  const seeder =
    lifecycle && unpublishSync && createSeeder({ ...seeding, unpublishSync, node: lifecycle.ready })
  const ending = new AbortController()
  const shutdown = onShutdown(
    async () => {
      ending.abort(new Error('Verdaccio is shutting down'))
      seeder?.stop()
      await lifecycle?.stop()
    },
    { process, log },
  )

  app.use(createClientHandler(contexts, (req) => shutdown.watch(serverOf(req.socket))))
  addStatusRoutes(app, { options, counters, lifecycle, daemon, log })
  const hooks = { contexts, fetcher, seeding: seeder ?? noSeeding }
  intercept({ storage, uplinkPrototype, ...hooks, privacy, counters, log })

  lifecycle?.start()
  void daemon?.probe({ signal: ending.signal })
  if (lifecycle !== undefined && seeder !== undefined && options.seedExisting) {
    void seedStorage(setup, { lifecycle, seeder, signal: ending.signal })
  }
  log.info('plugin.started', { mode: options.mode, uplinks: Object.keys(storage.uplinks) })
}

function nodeLifecycle(
  { config, found, log, logger, options }: Setup,
  privacy: Privacy,
): NodeLifecycle {
  const load = () => import('@catalog-p2p/core')
  const { localStorage } = found.storage
  const logs = { log, nodeLog: createNodeLog(logger) }
  const policy = policyOf(config, options)
  const prepare: NodeLifecycleDependencies['prepare'] = (core, { signal }) =>
    revisitVisibility(
      { core, localStorage, privacy, ...logs },
      { node: options.node, policy, signal },
    )
  return createNodeLifecycle({ ...logs, load, prepare }, options.node)
}

function daemonLink({ log, options }: Setup) {
  const { daemon: url, daemonTimeoutMs: timeoutMs, silenceMs } = options
  return createDaemonLink(log, { url, timeoutMs, silenceMs })
}

/** Never rejects. */
async function seedStorage(
  { found, log, options }: Setup,
  { lifecycle, seeder, signal }: { lifecycle: NodeLifecycle; seeder: Seeder; signal: AbortSignal },
): Promise<void> {
  const running = await lifecycle.ready
  if (running === undefined) return
  const { localStorage } = found.storage
  const perSecond = options.seedExistingPerSecond
  try {
    await seedExisting({ localStorage, seeder, running, log }, { perSecond, signal })
  } catch (error) {
    if (!signal.aborted) log.warn('seeding.stopped', { error })
  }
}

/** Without a node of our own there is nothing to seed with. */
const noSeeding: Seeding = {
  stored: () => undefined,
  removing: async () => () => undefined,
}

/** The server that a connection came to; Node keeps it there, without saying so in its types. */
function serverOf(socket: unknown): Server | undefined {
  return (socket as { server?: Server }).server
}
