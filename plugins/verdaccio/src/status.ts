/**
 * The routes /-/catalog/status and /-/catalog/metrics. Anybody may reach Verdaccio, so by default they hold numbers only: never
 * names of packages, and addresses of the node and its peers only with `status: full`.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import type { DaemonLink } from './daemon-source.ts'
import { createMetrics } from './metrics.ts'
import type { NodeLifecycle } from './node-lifecycle.ts'
import type { PluginOptions } from './options.ts'
import type { Handler, VerdaccioApp } from './verdaccio.ts'

export interface StatusDependencies {
  readonly options: Pick<PluginOptions, 'mode' | 'status'>
  readonly counters: Counters
  readonly lifecycle: NodeLifecycle | undefined
  readonly daemon: DaemonLink | undefined
  readonly log: Logger
}

export function addStatusRoutes(app: VerdaccioApp, deps: StatusDependencies): void {
  if (deps.options.status === 'off') return
  const metrics = createMetrics({
    counters: deps.counters,
    node: () => deps.lifecycle?.running?.node,
  })
  app.get(
    '/-/catalog/status',
    answering(deps.log, async () => ({
      type: 'application/json; charset=utf-8',
      body: `${JSON.stringify(statusOf(deps))}\n`,
    })),
  )
  app.get(
    '/-/catalog/metrics',
    answering(deps.log, async () => ({
      type: metrics.contentType,
      body: await metrics.render(),
    })),
  )
}

function statusOf({ options, counters, lifecycle, daemon }: StatusDependencies): object {
  const node = lifecycle?.running?.node
  const stats = node?.stats()
  const isFull = options.status === 'full'
  return {
    mode: options.mode,
    ...(lifecycle && { state: lifecycle.state }),
    ...(daemon && { daemon: daemon.state }),
    ...counters,
    ...(stats && {
      node: {
        peers: stats.peers,
        store: stats.store,
        uploaded: stats.uploaded,
        announced: stats.announced,
        activeDownloads: stats.activeDownloads,
        misbehaviour: stats.misbehaviour,
        ...(isFull && { id: stats.id, addresses: stats.addresses, known: node?.peers() }),
      },
    }),
  }
}

function answering(log: Logger, make: () => Promise<{ type: string; body: string }>): Handler {
  return (_req, res, next) => {
    make().then(
      ({ type, body }) => {
        res.setHeader('content-type', type)
        res.setHeader('cache-control', 'no-store')
        res.end(body)
      },
      (error: unknown) => {
        log.error('status.failed', { error })
        next(error)
      },
    )
  }
}
