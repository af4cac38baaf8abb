/**
 * Packument work off the main thread: a few worker threads, started when first needed. A worker that dies, or answers nothing
 * for too long, is replaced: the job it had in hand is tried once more, those that waited behind it go on elsewhere. Time spent
 * in a queue counts against nobody.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { PackumentJob, PackumentResult } from './packument-document.ts'
import type { AnswerMessage, JobMessage } from './packument-worker.ts'

export interface PackumentJobs {
  /**
   * @throws Error when the document is not a packument; WorkerDied, at once when the body has moved to the worker that died
   * @param deathsBefore workers that died of this document before; from the first on, its body stays here
   */
  run(job: PackumentJob, deathsBefore?: number): Promise<PackumentResult>
  close(): Promise<void>
}

export class WorkerDied extends Error {
  /** Workers that had this job in hand when they died; those that did not are none of its fault. */
  readonly deaths: number

  constructor(name: string, deaths: number, cause: Error) {
    super(`${name}: ${cause.message}`, { cause })
    this.deaths = deaths
  }
}

interface Pending {
  readonly job: PackumentJob
  /** The body is the worker's. */
  readonly isMoved: boolean
  readonly deaths: number
  /** Workers that died while it waited. */
  readonly moves: number
  readonly resolve: (result: PackumentResult) => void
  readonly reject: (error: Error) => void
}

interface Crew {
  readonly worker: Worker
  /** Oldest first, which is how they are answered. */
  readonly pending: Map<number, Pending>
  /** Until its next answer. */
  deadline: NodeJS.Timeout | undefined
}

const MAX_PENDING = 10_000
const MIN_MOVED_BYTES = 64 * 1024
/** Workers that may die of one job. */
export const MAX_DEATHS = 2
/** And beside one, of others. */
const MAX_MOVES = 5

export function createPackumentJobs(
  options: { workers: number; timeoutMs: number } = {
    workers: Math.max(1, Math.min(2, availableParallelism() - 1)),
    timeoutMs: 60_000,
  },
): PackumentJobs {
  const crews = new Set<Crew>()
  let nextId = 0
  let closed = false

  function dismiss(crew: Crew, error: Error): void {
    crews.delete(crew)
    clearTimeout(crew.deadline)
    const [inHand, ...behind] = crew.pending.values()
    crew.pending.clear()
    crew.worker.terminate().catch(() => undefined) // it is gone either way
    for (const job of behind) again({ ...job, moves: job.moves + 1 }, error)
    // After them, so that it takes none of them along once more.
    if (inHand !== undefined) again({ ...inHand, deaths: inHand.deaths + 1 }, error)
  }

  function again(pending: Pending, error: Error): void {
    const { job, isMoved, deaths, moves } = pending
    if (closed) pending.reject(error)
    else if (isMoved || deaths >= MAX_DEATHS || moves > MAX_MOVES)
      pending.reject(new WorkerDied(job.name, deaths, error))
    else tryTo(pending)
  }

  function tryTo(pending: Pending): void {
    try {
      give(pending)
    } catch (error) {
      // No worker can be started.
      pending.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }

  function give(pending: Pending): void {
    const { job, isMoved } = pending
    const crew = leastBusy()
    const id = (nextId += 1)
    crew.pending.set(id, pending)
    if (crew.pending.size === 1) watch(crew)
    crew.worker.ref()
    crew.worker.postMessage({ id, job } satisfies JobMessage, isMoved ? movable(job) : [])
  }

  /** From its last answer, or its first job, to its next answer. */
  function watch(crew: Crew): void {
    clearTimeout(crew.deadline)
    const [oldest] = crew.pending.values()
    if (oldest === undefined) return
    const { timeoutMs } = options
    crew.deadline = setTimeout(
      () => dismiss(crew, new Error(`took longer than ${timeoutMs} ms`)),
      timeoutMs,
    )
  }

  function hire(): Crew {
    const worker = new Worker(workerUrl(), { execArgv: [], name: 'catalog-packuments' })
    const crew: Crew = { worker, pending: new Map(), deadline: undefined }
    worker.unref()
    worker.on('message', (message: AnswerMessage) => {
      const job = crew.pending.get(message.id)
      if (job === undefined) return
      crew.pending.delete(message.id)
      watch(crew)
      if (crew.pending.size === 0) worker.unref()
      if ('result' in message) job.resolve(message.result)
      else job.reject(new Error(message.problem))
    })
    worker.on('error', (error: unknown) => {
      dismiss(crew, error instanceof Error ? error : new Error(String(error)))
    })
    worker.on('exit', () => dismiss(crew, new Error('the packument worker stopped')))
    crews.add(crew)
    return crew
  }

  function leastBusy(): Crew {
    const sorted = [...crews].sort((a, b) => a.pending.size - b.pending.size)
    const idlest = sorted[0]
    if (idlest !== undefined && (idlest.pending.size === 0 || crews.size >= options.workers)) {
      return idlest
    }
    return hire()
  }

  return {
    run(job, deathsBefore = 0) {
      if (closed) return Promise.reject(new Error('the packument workers are stopped'))
      if (leastBusy().pending.size >= MAX_PENDING) {
        return Promise.reject(new Error('too many packuments at once'))
      }
      const isMoved = deathsBefore === 0 && movable(job).length > 0
      return new Promise((resolve, reject) => {
        give({ job, isMoved, deaths: deathsBefore, moves: 0, resolve, reject })
      })
    },
    async close() {
      closed = true
      const workers = [...crews].map((crew) => crew.worker)
      for (const crew of crews) dismiss(crew, new Error('the packument workers are stopped'))
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

// Megabytes are moved, not copied, where nobody here needs them any more. A pooled buffer cannot be, and is small.
function movable({ body, ingest }: PackumentJob): ArrayBuffer[] {
  const { buffer } = body
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === body.byteLength
  return ingest && whole && body.byteLength > MIN_MOVED_BYTES ? [buffer] : []
}

// The worker has this file's own extension: .ts when run from source, .js when compiled.
function workerUrl(): URL {
  return new URL(`./packument-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url)
}
