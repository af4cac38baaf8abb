/**
 * The node in Verdaccio's process, from its start in the background to its stop with Verdaccio. Verdaccio never waits for it and
 * never fails with it: when it can't start, that is logged once, and Verdaccio serves without peers.
 */
import type * as Core from '@catalog-p2p/core'
import type { Logger, NodeOptions } from '@catalog-p2p/core'
import type { RunningNode } from './node-source.ts'

export type NodeState = 'starting' | 'running' | 'failed' | 'stopped'

export interface NodeLifecycle {
  readonly state: NodeState
  readonly running: RunningNode | undefined
  /** Settles when the node runs, or with undefined when it never will. */
  readonly ready: Promise<RunningNode | undefined>
  start(): void
  /** Never rejects. */
  stop(): Promise<void>
}

export interface NodeLifecycleDependencies {
  readonly log: Logger
  readonly nodeLog: Logger
  /** Loads core lazily, so that Verdaccio's start does not wait for it. */
  readonly load: () => Promise<typeof Core>
  /** Awaited before each attempt; when it rejects, the node does not start. */
  readonly prepare?: (core: typeof Core, options: { signal: AbortSignal }) => Promise<void>
}

/** Between attempts, for failures that may pass. */
const RETRY_MS = 15_000

export function createNodeLifecycle(
  deps: NodeLifecycleDependencies,
  options: NodeOptions,
): NodeLifecycle {
  const { log } = deps
  const ready = Promise.withResolvers<RunningNode | undefined>()
  let state: NodeState = 'starting'
  let running: RunningNode | undefined
  let starting: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  const stopping = new AbortController()

  const isStopped = (): boolean => state === 'stopped'

  async function tryStart(): Promise<void> {
    const core = await deps.load()
    try {
      if (deps.prepare !== undefined) {
        await deps.prepare(core, stopping)
        if (isStopped()) return
      }
      const node = await core.createNode(options, { log: deps.nodeLog })
      if (isStopped()) return await node.close()
      running = {
        node,
        toDigest: core.findDigest,
        isMismatch: (error) => core.isCatalogError(error, 'DIGEST_MISMATCH'),
      }
      state = 'running'
      log.info('node.running', { id: node.id, addresses: node.stats().addresses.join(' ') })
      ready.resolve(running)
    } catch (error) {
      // A locked store, a network that is not up yet: local causes may pass.
      const mayPass = core.isCatalogError(error) && error.kind === 'local'
      if (!mayPass || isStopped()) throw error
      if (state !== 'failed') failed(error)
      retry = setTimeout(begin, RETRY_MS).unref()
    }
  }

  function failed(error: unknown): void {
    state = 'failed'
    const path = options.store?.path
    const next = 'Verdaccio serves without peers; mend this and start it again'
    log.error('node.failed', { error, store: path, next })
  }

  function begin(): void {
    starting = tryStart().catch((error: unknown) => {
      if (isStopped()) return
      failed(error)
      ready.resolve(undefined)
    })
  }

  return {
    get state() {
      return state
    },
    get running() {
      return running
    },
    ready: ready.promise,
    start: begin,
    async stop() {
      state = 'stopped'
      stopping.abort(new Error('Verdaccio is shutting down'))
      clearTimeout(retry)
      const { node } = running ?? {}
      running = undefined
      ready.resolve(undefined)
      await starting
      try {
        await node?.close()
      } catch (error) {
        log.warn('node.stop-failed', { error })
      }
    },
  }
}
