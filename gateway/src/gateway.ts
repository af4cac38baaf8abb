/**
 * The composition root of the gateway: the application, the parts behind it, the sockets in front of it; started in that
 * order, stopped in reverse.
 */
import type { RequestListener } from 'node:http'
import { Activity } from './activity/activity.ts'
import { answerGuest, answerOrMeet, servingOf, type Context, type Serving } from './answer.ts'
import { notServing, type Phase } from './admin/answer-ready.ts'
import type { Gateway, GatewayDependencies, GatewayStats } from './api.ts'
import { LiveEvents } from './dashboard/live-events.ts'
import { sectionsFor, type SectionSources } from './dashboard/sections.ts'
import type { Bridges } from './bridges/bridges.ts'
import { createApp, createHandler } from './http/app.ts'
import { statsOf } from './gateway-stats.ts'
import { createCounters } from './http/counters.ts'
import { NO_BRIDGES, openBridges } from './bridges/guests.ts'
import { createHostCheck, type HostCheck } from './http/host-check.ts'
import { createMetrics } from './admin/metrics.ts'
import {
  npmConfigContext,
  watchNpmConfig,
  type Environment,
  type NpmConfig,
} from './upstream/npmrc.ts'
import { parseGatewayOptions, type GatewayOptions, type ParsedGatewayOptions } from './options.ts'
import { newInstance, openParts, type Parts } from './parts/parts.ts'
import { createListener } from './http/server.ts'
import { redactUrl } from './http/redact-url.ts'
import type { InstallTraces } from './tracing/install-traces.ts'
import { openTraces } from './tracing/open-traces.ts'
import { createMarks } from './artifacts/visibility/privacy.ts'

type Started = Awaited<ReturnType<Gateway['start']>>

/** Builds a gateway on a node; nothing happens before `start()`. */
export function createGateway(deps: GatewayDependencies, input: GatewayOptions = {}): Gateway {
  const options = parseGatewayOptions(input)
  const counters = createCounters()
  const activity = new Activity()
  const instance = newInstance()
  let phase: Phase = 'stopped'
  let parts: Parts | undefined
  let live: LiveEvents | undefined
  let serving: Serving | undefined
  let traces: InstallTraces | undefined
  let bridges: Bridges | undefined
  let starting: Promise<Started> | undefined
  let stopping: Promise<void> | undefined
  const { temporary, frozenTrust } = options
  const stats = (): GatewayStats => ({ ...statsOf(counters, parts), temporary, frozenTrust })
  const metrics = createMetrics({ node: deps.node, counters, stats })
  const running = (): Serving => {
    if (serving === undefined) throw notServing(phase)
    return serving
  }
  const handler = (hosts: HostCheck, answering: typeof answerOrMeet): RequestListener =>
    createHandler({
      ...{ log: deps.log, counters, instance, hosts },
      observe: (route, ms) => metrics.observe(route, ms),
      answer: async (exchange) => answering(running(), exchange),
    })
  const handle = handler(createHostCheck(options), answerOrMeet)
  const listener = deps.listen?.(handle) ?? createListener({ log: deps.log, handle }, options)

  async function open(): Promise<Started> {
    phase = 'starting'
    try {
      const npm = readNpmConfig(deps, options)
      parts = await openParts({ node: deps.node, log: deps.log, ...npm }, options)
      traces = await openTraces({ activity, log: deps.log }, options.traces)
      live = openLive(parts, { node: deps.node, stats, activity })
      serving = servingOf({
        ...{ deps, options, metrics, stats, live, passing: passingOptions(options, instance) },
        parts: { ...parts, counters, activity },
        phase: () => phase,
        bridges: () => bridges ?? NO_BRIDGES,
      })
      const started = await listener.start()
      const { main } = parts.registries
      phase = 'serving'
      bridges = await openBridges(deps, options, { handler, answer: answerGuest })
      deps.log.info('gateway.started', { ...started, upstream: main && redactUrl(main.url) })
      return started
    } catch (error) {
      await shut()
      throw error
    }
  }

  async function shut(): Promise<void> {
    phase = 'stopping'
    live?.close()
    parts?.builds.runTokens.close()
    await Promise.all([bridges?.stop(), listener.stop()])
    await traces?.close()
    await parts?.close()
    parts = undefined
    serving = undefined
    phase = 'stopped'
    starting = undefined
  }

  async function close(): Promise<void> {
    await starting?.catch(() => undefined) // start() itself rejects with the reason
    await shut()
  }

  return {
    app: createApp(handle),
    stats,
    async start() {
      if (starting !== undefined) throw new Error('the gateway is running already')
      stopping = undefined
      starting = open()
      return starting
    },
    stop: () => (stopping ??= close()),
  }
}

function readNpmConfig(
  { npmConfig, log }: GatewayDependencies,
  { npmrcPath }: ParsedGatewayOptions,
): { config: NpmConfig; env: Environment } {
  // A caller that brings its own configuration gets no proxy from the environment either.
  if (npmConfig !== undefined) return { config: npmConfig, env: {} }
  // The user's files, not those of the current folder: the gateway serves all projects.
  const context = { ...npmConfigContext(), projectFolders: [], firstFile: npmrcPath }
  return { config: watchNpmConfig(context, { log }), env: context.env }
}

function openLive(
  { guard, artifacts: names, network }: Parts,
  about: Pick<SectionSources, 'node' | 'stats' | 'activity'>,
): LiveEvents {
  const { isOpenName, replication } = network
  const seen = { guard, names, isOpenName, keptBy: replication.keptBy, sinceMs: Date.now() }
  return new LiveEvents((viewer) => sectionsFor({ ...about, ...seen }, viewer))
}

function passingOptions(
  { maxUploadBytes, privateScopes }: ParsedGatewayOptions,
  instance: string,
): Context['passing'] {
  const isPrivate = privateScopes.length > 0 ? createMarks(privateScopes) : undefined
  return { maxUploadBytes, instance, isPrivate }
}
