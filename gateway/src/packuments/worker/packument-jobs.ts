/**
 * Packument work off the main thread: a few worker threads, started when first needed. When one dies, or answers nothing for too
 * long, the job that it was running is tried once more, and those queued behind it go elsewhere. Time in a queue counts against
 * no job, and a thread that cannot be started against no document. Never reads a document on this thread.
 */
import { availableParallelism } from 'node:os'
import type { PackumentJob, PackumentResult } from '../document/packument-document.ts'
import { movable, WorkerSlot, type LostThread, type SlotJob } from './worker-slot.ts'

export interface PackumentJobs {
  /**
   * @throws Error when the document is not a packument; WorkerDied, at once when the body has moved to the worker that died
   * @param deathsBefore workers that died of this document before; from the first on, its body stays here
   */
  run(job: PackumentJob, deathsBefore?: number): Promise<PackumentResult>
  close(): Promise<void>
}

export class WorkerDied extends Error {
  /** Workers that were running this job when they died; of others the document is not to blame. */
  readonly deaths: number
  /** false: no worker could be started, which will be so for the next one, too. */
  readonly hasStarted: boolean

  constructor(name: string, facts: { deaths: number; hasStarted: boolean; cause: unknown }) {
    const { deaths, hasStarted, cause } = facts
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`${name}: ${hasStarted ? why : `no worker thread can be started: ${why}`}`, { cause })
    this.deaths = deaths
    this.hasStarted = hasStarted
  }
}

interface PooledJob extends SlotJob {
  /** Workers that died while running it. */
  deaths: number
  /** Workers that died while it was queued. */
  requeues: number
}

export interface PackumentJobsOptions {
  readonly workers: number
  readonly timeoutMs: number
}

const MAX_PENDING = 10_000
/** Worker deaths that a running job may cause. */
export const MAX_DEATHS = 2
/** Worker deaths that a queued job may survive. */
const MAX_REQUEUES = 5

export function createPackumentJobs(
  options: PackumentJobsOptions = {
    // Also where there are two cores: a client waits for what is in here, and the main thread has little to do meanwhile.
    workers: Math.max(2, Math.min(4, availableParallelism() - 1)),
    timeoutMs: 60_000,
  },
): PackumentJobs {
  return new WorkerPool(options)
}

class WorkerPool implements PackumentJobs {
  readonly #options: PackumentJobsOptions
  readonly #slots: WorkerSlot<PooledJob>[] = []
  #isClosed = false

  constructor(options: PackumentJobsOptions) {
    this.#options = options
  }

  async run(job: PackumentJob, deathsBefore = 0): Promise<PackumentResult> {
    if (this.#isClosed) throw stopped()
    if (this.#leastLoaded().load >= MAX_PENDING) throw new Error('too many packuments at once')
    const isMoved = deathsBefore === 0 && movable(job).length > 0
    const { promise, resolve, reject } = Promise.withResolvers<PackumentResult>()
    const counts = { deaths: deathsBefore, requeues: 0 }
    this.#post({ job, isMoved, state: 'queued', ...counts, resolve, reject })
    return await promise
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#slots.map((slot) => slot.stop(stopped())))
  }

  #post(job: PooledJob): void {
    try {
      this.#leastLoaded().post(job)
    } catch (cause) {
      job.reject(new WorkerDied(job.job.name, { deaths: job.deaths, hasStarted: false, cause }))
    }
  }

  /** An idle worker, else a new one, else the one with the fewest jobs. */
  #leastLoaded(): WorkerSlot<PooledJob> {
    const [least] = this.#slots.toSorted((a, b) => a.load - b.load)
    const isFull = this.#slots.length >= this.#options.workers
    if (least !== undefined && (least.load === 0 || isFull)) return least
    const slot = new WorkerSlot<PooledJob>(this.#options, (lost) => this.#adopt(lost))
    this.#slots.push(slot)
    return slot
  }

  #adopt({ orphans, error, hasStarted }: LostThread<PooledJob>): void {
    const running = orphans.filter(({ state }) => state === 'running')
    const queued = orphans.filter(({ state }) => state === 'queued')
    for (const job of queued) job.requeues += 1
    for (const job of running) job.deaths += 1
    // What was running comes last, so that it takes none of the others along once more.
    for (const job of [...queued, ...running]) this.#retry(job, { error, hasStarted })
  }

  #retry(job: PooledJob, { error, hasStarted }: { error: Error; hasStarted: boolean }): void {
    const { isMoved, deaths, requeues } = job
    const isSpent = isMoved || deaths >= MAX_DEATHS || requeues > MAX_REQUEUES
    if (this.#isClosed) job.reject(error)
    else if (isSpent || !hasStarted) {
      job.reject(new WorkerDied(job.job.name, { deaths, hasStarted, cause: error }))
    } else this.#post(job)
  }
}

function stopped(): Error {
  return new Error('the packument workers are stopped')
}
