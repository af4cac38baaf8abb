/**
 * The Verdaccio plugin (middleware): builds its parts from the configuration and attaches them to Verdaccio. Whatever fails (the
 * configuration, an unknown Verdaccio, the network), Verdaccio works as if the plugin were not there.
 * https://verdaccio.org/docs/plugin-middleware
 */
import type { Server } from 'node:http'
import type { Logger } from '@catalog-p2p/core'
import { createClientHandler } from './client-requests.ts'
import { createCounters, type Counters } from './counters.ts'
import { createDaemonLink, type DaemonLink } from './daemon-source.ts'
import { createTarballFetcher } from './fetch-tarball.ts'
import { intercept, type Seeding } from './intercept.ts'
import { createNodeLog, createPluginLog } from './log.ts'
import {
  createNodeLifecycle,
  type NodeLifecycle,
  type NodeLifecycleDependencies,
} from './node-lifecycle.ts'
import { configPathsOf, parseOptions, sectionOf, type PluginOptions } from './options.ts'
import { createPrivacy, policyOf, type Privacy } from './privacy.ts'
import { createContexts } from './request-context.ts'
import { revisitVisibility } from './revisit-visibility.ts'
import { seedExisting } from './seed-existing.ts'
import { createSeeder, type Seeder } from './seeding.ts'
import { onShutdown } from './shutdown.ts'
import { addStatusRoutes } from './status.ts'
import { createStoredTarballs } from './stored-tarball.ts'
import { createUnpublishSync, type UnpublishSync } from './unpublish-sync.ts'
import {
  inspectStorage,
  type Inspected,
  type VerdaccioApp,
  type VerdaccioLogger,
} from './verdaccio.ts'

interface PluginParams {
  readonly config: unknown
  readonly logger: VerdaccioLogger
}

type KnownStorage = Extract<Inspected, { ok: true }>

export class CatalogMiddleware {
  readonly #params: PluginParams
  readonly #log: Logger

  /** Called by Verdaccio: its configuration merged with the plugin's section, and the parameters of every plugin. */
  constructor(_merged: unknown, params: PluginParams) {
    this.#params = params
    this.#log = createPluginLog(params.logger)
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
    const { config } = this.#params
    const parsed = parseOptions(sectionOf(config), configPathsOf(config))
    if (!parsed.ok) {
      const next =
        'Verdaccio serves without peers and without checking integrity until it is mended'
      return this.#log.error('config.invalid', { problems: parsed.problems, next })
    }
    if (!parsed.options.enabled) return this.#log.info('plugin.disabled')
    const known = inspectStorage(storage)
    if (!known.ok) {
      const next = 'this plugin knows Verdaccio 6; Verdaccio serves without it'
      return this.#log.error('verdaccio.unknown', { missing: known.missing, next })
    }
    attach(app, { ...this.#params, log: this.#log, options: parsed.options, known })
  }
}

export default CatalogMiddleware

interface Setup extends PluginParams {
  readonly log: Logger
  readonly options: PluginOptions
  readonly known: KnownStorage
}

function attach(app: VerdaccioApp, setup: Setup): void {
  const { config, log, options } = setup
  const { storage, uplinkPrototype } = setup.known
  const { localStorage } = storage
  const counters = createCounters()
  const contexts = createContexts()
  const privacy = createPrivacy(config, options)
  const daemon = options.mode === 'daemon' ? daemonLink(setup) : undefined
  const peers = options.mode === 'node' ? nodeParts(setup, { privacy, counters }) : undefined
  const fetcher = createTarballFetcher(
    {
      localStorage,
      privacy,
      counters,
      log,
      daemon,
      node: () => peers?.lifecycle.running,
      unpublishSync: peers?.unpublishSync,
    },
    options,
  )
  const ending = new AbortController()
  const shutdown = onShutdown(
    async () => {
      ending.abort(new Error('Verdaccio is shutting down'))
      peers?.seeder.stop()
      await peers?.lifecycle.stop()
    },
    { process, log },
  )

  app.use(createClientHandler(contexts, (req) => shutdown.watch(serverOf(req.socket))))
  addStatusRoutes(app, { options, counters, lifecycle: peers?.lifecycle, daemon, log })
  intercept({
    storage,
    uplinkPrototype,
    contexts,
    fetcher,
    seeding: peers?.seeder ?? NO_SEEDING,
    privacy,
    counters,
    log,
  })

  peers?.lifecycle.start()
  void daemon?.probe({ signal: ending.signal })
  if (peers !== undefined && options.seedExisting) void seedStorage(setup, peers, ending.signal)
  log.info('plugin.started', { mode: options.mode, uplinks: Object.keys(storage.uplinks) })
}

function daemonLink({ log, options }: Setup): DaemonLink {
  const { daemon: url, daemonTimeoutMs: timeoutMs, silenceMs } = options
  return createDaemonLink(log, { url, timeoutMs, silenceMs })
}

/** What only mode `node` has. */
interface NodeParts {
  readonly lifecycle: NodeLifecycle
  readonly unpublishSync: UnpublishSync
  readonly seeder: Seeder
}

function nodeParts(
  setup: Setup,
  { privacy, counters }: { readonly privacy: Privacy; readonly counters: Counters },
): NodeParts {
  const { localStorage } = setup.known.storage
  const { log } = setup
  const lifecycle = nodeLifecycle(setup, privacy)
  const files = createStoredTarballs(localStorage)
  const shared = { localStorage, files, counters, log, node: lifecycle.ready }
  const unpublishSync = createUnpublishSync(shared)
  const seeder = createSeeder({ ...shared, privacy, unpublishSync })
  return { lifecycle, unpublishSync, seeder }
}

function nodeLifecycle(
  { config, known, log, logger, options }: Setup,
  privacy: Privacy,
): NodeLifecycle {
  const { localStorage } = known.storage
  const nodeLog = createNodeLog(logger)
  const policy = policyOf(config, options)
  const prepare: NodeLifecycleDependencies['prepare'] = (core, { signal }) =>
    revisitVisibility(
      { core, localStorage, privacy, log, nodeLog },
      { node: options.node, policy, signal },
    )
  const load = () => import('@catalog-p2p/core')
  return createNodeLifecycle({ log, nodeLog, load, prepare }, options.node)
}

/** Never rejects. */
async function seedStorage(
  { known, log, options }: Setup,
  { lifecycle, seeder }: NodeParts,
  signal: AbortSignal,
): Promise<void> {
  const running = await lifecycle.ready
  if (running === undefined) return
  const { localStorage } = known.storage
  const perSecond = options.seedExistingPerSecond
  try {
    await seedExisting({ localStorage, seeder, running, log }, { perSecond, signal })
  } catch (error) {
    if (!signal.aborted) log.warn('seeding.stopped', { error })
  }
}

/** Without a node in this process there is nothing to seed with. */
const NO_SEEDING: Seeding = {
  stored: () => undefined,
  removing: async () => () => undefined,
}

/** The server that accepted a connection; Node's types leave the property out. */
function serverOf(socket: unknown): Server | undefined {
  return (socket as { server?: Server }).server
}
