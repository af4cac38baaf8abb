/**
 * Starts the parts of a node in order and stops them in reverse. Stopping ends in time, whatever a part or a peer does: after
 * closing a node, a program exits, restarts or runs its next test. Knows nothing of what the parts are.
 */
import type { Clock } from './timing/clock.ts'
import type { Logger } from './log.ts'

export interface Part {
  readonly name: string
  start(): unknown
  stop(): unknown
  /** Begins what its stop would wait for, while the parts after it are still being stopped. Never throws. */
  readonly prepareStop?: () => void
  /** Its stop must not be cut off: it waits for this machine only, never for a peer. */
  readonly isLocal?: boolean
}

export interface LifecycleDependencies {
  readonly clock: Clock
  readonly log: Logger
}

/** For all parts together. Each has less of its own: a farewell takes 1 s, libp2p 10 s at most. */
const STOP_MS = 15_000
/** For each part when the others have used that up. */
const LEAST_STOP_MS = 1_000

/** @throws what the first part that fails throws; those before it have been stopped then */
export async function startAll(parts: readonly Part[], deps: LifecycleDependencies): Promise<void> {
  for (const [index, part] of parts.entries()) {
    try {
      await part.start()
    } catch (error) {
      await stopAll(parts.slice(0, index), deps)
      throw error
    }
  }
}

/**
 * The local ones at once, the others after them or, as `startLater` has it, when `after` resolves.
 * @throws what the first part that fails throws; those before it have been stopped then
 */
export async function startParts(
  parts: {
    readonly local: readonly Part[]
    readonly shared: readonly Part[]
    readonly after: Promise<void> | undefined
  },
  deps: LifecycleDependencies,
): Promise<{ readonly stop: () => Promise<void> }> {
  const { local, shared, after } = parts
  if (after === undefined) {
    const all = [...local, ...shared]
    await startAll(all, deps)
    return {
      stop() {
        prepareStop(all)
        return stopAll(all, deps)
      },
    }
  }
  await startAll(local, deps)
  const late = startLater(shared, after, deps)
  return {
    async stop() {
      const endsAtMs = deps.clock.now() + STOP_MS
      prepareStop(local)
      await late.stop(endsAtMs)
      await stopAll(local, deps, endsAtMs)
    },
  }
}

function prepareStop(parts: readonly Part[]): void {
  for (const part of parts) part.prepareStop?.()
}

/** Parts that nobody waits for: a failure of theirs is not that of the others. */
export interface LateParts {
  /**
   * Of those that have started; none starts any more. Never rejects. Those that are still starting at the end are stopped when they
   * have started, and not waited for.
   * @param endsAtMs of the clock; default: as `stopAll` has it
   */
  stop(endsAtMs?: number): Promise<void>
}

/** Starts these as soon as `after` resolves. A failure is logged, and leaves none of them started. */
export function startLater(
  parts: readonly Part[],
  after: Promise<void>,
  deps: LifecycleDependencies,
): LateParts {
  let isStopped = false
  let starting: Promise<boolean> | undefined
  async function start(): Promise<boolean> {
    try {
      await startAll(parts, deps)
      return true
    } catch (error) {
      deps.log.error('node.start-failed', { error })
      return false
    }
  }
  void after.then(
    () => {
      if (!isStopped) starting = start()
    },
    () => undefined, // then they never start
  )
  return {
    async stop(endsAtMs = deps.clock.now() + STOP_MS) {
      isStopped = true
      if (starting === undefined) return
      const stopping = starting.then((isStarted) =>
        isStarted ? stopAll(parts, deps, endsAtMs) : undefined,
      )
      try {
        await inTime(starting, 'what is starting', endsAtMs, deps)
      } catch (error) {
        deps.log.error('node.stop-failed', { error })
        return
      }
      await stopping
    },
  }
}

/** Never rejects: the others must still stop. */
export async function stopAll(
  parts: readonly Part[],
  deps: LifecycleDependencies,
  endsAtMs: number = deps.clock.now() + STOP_MS,
): Promise<void> {
  for (const part of [...parts].reverse()) {
    try {
      const stopping = part.stop()
      if (part.isLocal === true) await stopping
      else await inTime(stopping, part.name, endsAtMs, deps)
    } catch (error) {
      deps.log.error('node.stop-failed', { part: part.name, error })
    }
  }
}

/** @throws Error when it is not over by `endsAtMs`, or within a moment if that has come */
async function inTime(
  ending: unknown,
  name: string,
  endsAtMs: number,
  { clock }: LifecycleDependencies,
): Promise<void> {
  const maxMs = Math.max(LEAST_STOP_MS, endsAtMs - clock.now())
  const late = Promise.withResolvers<never>()
  const cancel = clock.after(maxMs, () =>
    late.reject(new Error(`${name} has not stopped within ${Math.round(maxMs)} ms`)),
  )
  const over = Promise.resolve(ending)
  over.catch(() => undefined) // it may still fail after the deadline
  try {
    await Promise.race([over, late.promise])
  } finally {
    cancel()
  }
}

/** What needs no start. */
export function closing(name: string, part: { close(): void | Promise<void> }): Part {
  return { name, start: () => undefined, stop: () => part.close(), isLocal: true }
}

export function named(
  name: string,
  part: Pick<Part, 'start' | 'stop'>,
  options: Pick<Part, 'isLocal' | 'prepareStop'> = {},
): Part {
  return { name, start: () => part.start(), stop: () => part.stop(), ...options }
}
