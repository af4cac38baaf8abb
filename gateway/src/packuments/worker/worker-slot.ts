/**
 * One place of the packument workers: a thread, and the jobs that it has been given, oldest first, which is how it takes them.
 * Of these one is `running`, none before the thread has started; the others are `queued`. Hands all of them back when the
 * thread dies or answers nothing for too long; the next job starts another thread. Decides nothing about them.
 */
import { createWorkerThread, workerUrl, type WorkerThread } from '@catalog-p2p/core'
import type { PackumentJob, PackumentResult } from '../document/packument-document.ts'
import type { AnswerMessage, JobMessage } from './packument-worker.ts'

export interface SlotJob {
  readonly job: PackumentJob
  /** The body is the worker's: it is gone with it. */
  readonly isMoved: boolean
  state: 'queued' | 'running'
  readonly resolve: (result: PackumentResult) => void
  readonly reject: (error: Error) => void
}

export interface LostThread<Job> {
  /** Oldest first. */
  readonly orphans: readonly Job[]
  readonly error: Error
  /** false: it never got as far as taking a job. */
  readonly hasStarted: boolean
}

export interface WorkerSlotOptions {
  /** From a job, or an answer, to the next answer. */
  readonly timeoutMs: number
}

const MIN_MOVED_BYTES = 64 * 1024

export class WorkerSlot<Job extends SlotJob> {
  readonly #options: WorkerSlotOptions
  readonly #onLost: (lost: LostThread<Job>) => void
  readonly #thread: WorkerThread<JobMessage>
  readonly #jobs = new Map<number, Job>()
  #lastId = 0
  #hasStarted = false
  #deadline: NodeJS.Timeout | undefined

  constructor(options: WorkerSlotOptions, onLost: (lost: LostThread<Job>) => void) {
    this.#options = options
    this.#onLost = onLost
    this.#thread = createWorkerThread(workerUrl('packument-worker', import.meta.url), {
      message: (answer: AnswerMessage) => this.#accept(answer),
      lost: (error) => this.#lose(error),
      isIdle: () => this.#jobs.size === 0,
    })
  }

  /** Jobs without an answer. */
  get load(): number {
    return this.#jobs.size
  }

  /** @throws Error when no thread can be started */
  post(job: Job): void {
    if (!this.#thread.isRunning) this.#hasStarted = false // a rest has ended it
    const id = (this.#lastId += 1)
    this.#thread.post({ id, job: job.job }, job.isMoved ? movable(job.job) : [])
    job.state = 'queued'
    this.#jobs.set(id, job)
    if (this.#jobs.size === 1) this.#next()
  }

  /** Ends the thread and hands its jobs back. */
  async stop(reason: Error): Promise<void> {
    const stopped = this.#thread.stop()
    this.#lose(reason)
    await stopped
  }

  #accept(answer: AnswerMessage): void {
    if ('isReady' in answer) {
      this.#hasStarted = true
      return this.#next()
    }
    const job = this.#jobs.get(answer.id)
    if (job === undefined) return
    this.#jobs.delete(answer.id)
    this.#next()
    if ('result' in answer) job.resolve(answer.result)
    else job.reject(new Error(answer.problem))
  }

  #next(): void {
    clearTimeout(this.#deadline)
    const [oldest] = this.#jobs.values()
    if (oldest === undefined) return
    if (this.#hasStarted) oldest.state = 'running'
    const { timeoutMs } = this.#options
    this.#deadline = setTimeout(() => {
      this.stop(new Error(`took longer than ${timeoutMs} ms`)).catch(() => undefined) // gone either way
    }, timeoutMs)
  }

  #lose(error: Error): void {
    clearTimeout(this.#deadline)
    const orphans = [...this.#jobs.values()]
    const hasStarted = this.#hasStarted
    this.#jobs.clear()
    this.#hasStarted = false
    this.#onLost({ orphans, error, hasStarted })
  }
}

/**
 * Megabytes are moved, not copied, where this thread does not need them any more. A buffer out of Node's pool cannot be, and is
 * small.
 */
export function movable({ body, ingest }: PackumentJob): ArrayBuffer[] {
  const { buffer } = body
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === body.byteLength
  return ingest && whole && body.byteLength > MIN_MOVED_BYTES ? [buffer] : []
}
