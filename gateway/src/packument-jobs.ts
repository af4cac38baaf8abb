/**
 * Packument work off the main thread: a few worker threads, started when first needed, each job with a deadline. A worker
 * that dies or hangs takes its own jobs with it and is replaced.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { PackumentJob, PackumentResult } from './packument-document.ts'
import type { AnswerMessage, JobMessage } from './packument-worker.ts'

export interface PackumentJobs {
  /** @throws Error when the document is not a packument, or the worker failed */
  run(job: PackumentJob): Promise<PackumentResult>
  close(): Promise<void>
}

interface Pending {
  readonly resolve: (result: PackumentResult) => void
  readonly reject: (error: Error) => void
  readonly deadline: NodeJS.Timeout
}

interface Crew {
  readonly worker: Worker
  readonly pending: Map<number, Pending>
}

const MAX_PENDING = 10_000
const MIN_MOVED_BYTES = 64 * 1024

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
    for (const job of crew.pending.values()) {
      clearTimeout(job.deadline)
      job.reject(error)
    }
    crew.pending.clear()
    crew.worker.terminate().catch(() => undefined) // it is gone either way
  }

  function hire(): Crew {
    const worker = new Worker(workerUrl(), { execArgv: [], name: 'catalog-packuments' })
    const crew: Crew = { worker, pending: new Map() }
    worker.unref()
    worker.on('message', (message: AnswerMessage) => {
      const job = crew.pending.get(message.id)
      if (job === undefined) return
      crew.pending.delete(message.id)
      clearTimeout(job.deadline)
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
    run(job) {
      if (closed) return Promise.reject(new Error('the packument workers are stopped'))
      const crew = leastBusy()
      if (crew.pending.size >= MAX_PENDING) {
        return Promise.reject(new Error('too many packuments at once'))
      }
      const id = (nextId += 1)
      return new Promise((resolve, reject) => {
        const deadline = setTimeout(
          () => dismiss(crew, new Error(`${job.name}: took longer than ${options.timeoutMs} ms`)),
          options.timeoutMs,
        )
        crew.pending.set(id, { resolve, reject, deadline })
        crew.worker.ref()
        crew.worker.postMessage({ id, job } satisfies JobMessage, movable(job))
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
