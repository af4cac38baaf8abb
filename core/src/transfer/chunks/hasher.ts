/**
 * Hashes large artifacts in a worker thread, so that the main thread's time goes to moving bytes. The thread starts with the
 * first chunk of any job, and again after it has ended. Never for small artifacts (one chunk): those are hashed
 * where they are, as a message to a thread costs more.
 */
import type { Digest } from '../../content/digest.ts'
import { createWorkerThread, workerUrl, type WorkerThread } from '../../disk/worker-thread.ts'
import { isPooled, type ChunkPool } from './chunk-pool.ts'
import type { HashReply, HashRequest } from './hash-worker.ts'

export interface HashedWhole {
  readonly digest: Digest
  /** SHA-256 of each chunk, concatenated, and the Merkle root over them. */
  readonly leaves: Uint8Array
  readonly root: Uint8Array
}

export interface HashJobOptions {
  readonly chunks: number
  /** SHA-256 of each chunk, concatenated; undefined where they are not known. */
  readonly leaves: Uint8Array | undefined
}

export interface HashJob {
  /**
   * Hashes one chunk, in any order. Takes its own copy, unless it is pooled: then leave it as it is until `onConsumed`.
   * Resolves to whether these bytes match its leaf (true where no leaves were given); rejects when the job ends before the
   * verdict. Never give more than a bounded window of chunks ahead of the first missing one.
   */
  add(index: number, bytes: Uint8Array, onConsumed?: () => void): Promise<boolean>
  /** Settles when every chunk has matched. */
  readonly done: Promise<HashedWhole>
  /** Forgets the job; safe at any time. */
  close(): void
}

export interface Hasher {
  /** Costs nothing until a chunk is added. */
  open(options: HashJobOptions): HashJob
  stop(): Promise<void>
}

/**
 * Copies for the thread go into `pool`, while that has any: memory that two threads share is freed only when both have
 * collected it, and the thread has no reason to.
 */
export function createHasher(pool?: ChunkPool): Hasher {
  return new ThreadHasher(pool)
}

class ThreadHasher implements Hasher {
  readonly #pool: ChunkPool | undefined
  readonly #jobs = new Map<number, ThreadJob>()
  readonly #thread: WorkerThread<HashRequest>
  #nextJob = 1
  #isStopped = false

  constructor(pool: ChunkPool | undefined) {
    this.#pool = pool
    this.#thread = createWorkerThread<HashRequest, HashReply>(
      workerUrl('hash-worker', import.meta.url),
      {
        message: (reply) => this.#jobs.get(reply.job)?.accept(reply),
        lost: (error) => this.#endAll(error),
        isIdle: () => this.#jobs.size === 0,
      },
    )
  }

  open(options: HashJobOptions): HashJob {
    if (this.#isStopped) throw new Error('the hasher has stopped')
    const id = this.#nextJob++
    const job = new ThreadJob(id, options, {
      thread: this.#thread,
      pool: this.#pool,
      onEnd: () => this.#jobs.delete(id),
    })
    this.#jobs.set(id, job)
    return job
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const stopped = this.#thread.stop()
    this.#endAll(new Error('the hasher has stopped'))
    await stopped
  }

  #endAll(reason: Error): void {
    for (const job of [...this.#jobs.values()]) job.end(reason)
  }
}

/** What the thread reads. */
interface Lent {
  readonly bytes: Uint8Array
  /** It has been read; undefined for bytes that were handed over for good. */
  readonly onConsumed: (() => void) | undefined
  readonly transfer?: ArrayBuffer[]
}

interface ThreadJobDeps {
  readonly thread: WorkerThread<HashRequest>
  readonly pool: ChunkPool | undefined
  readonly onEnd: () => void
}

class ThreadJob implements HashJob {
  readonly #id: number
  readonly #options: HashJobOptions
  readonly #deps: ThreadJobDeps
  readonly #done = Promise.withResolvers<HashedWhole>()
  /** By their own number, not by chunk: a good and a bad copy of one chunk may be under way together. */
  readonly #checks = new Map<number, PromiseWithResolvers<boolean>>()
  readonly #consumed = new Map<number, () => void>()
  #nextCheck = 1
  /** The thread knows of it. */
  #isStarted = false
  #isOver = false

  constructor(id: number, options: HashJobOptions, deps: ThreadJobDeps) {
    this.#id = id
    this.#options = options
    this.#deps = deps
    this.#done.promise.catch(() => undefined) // its user sees it; closing early is no error
  }

  get done(): Promise<HashedWhole> {
    return this.#done.promise
  }

  async add(index: number, bytes: Uint8Array, onConsumed?: () => void): Promise<boolean> {
    if (this.#isOver) {
      onConsumed?.()
      throw new Error('the hash job is over')
    }
    this.#start()
    const check = this.#nextCheck++
    const verdict = Promise.withResolvers<boolean>()
    this.#checks.set(check, verdict)
    const lent = this.#lend(bytes, onConsumed)
    if (lent.onConsumed !== undefined) this.#consumed.set(check, lent.onConsumed)
    const request = { op: 'chunk', job: this.#id, check, index, bytes: lent.bytes } as const
    this.#deps.thread.post(request, lent.transfer)
    return await verdict.promise
  }

  close(): void {
    if (this.#isOver) return
    this.end(new Error('the hash job was closed'))
    const { thread } = this.#deps
    if (this.#isStarted && thread.isRunning) thread.post({ op: 'close', job: this.#id })
  }

  accept(reply: HashReply): void {
    switch (reply.op) {
      case 'checked':
        this.#checks.get(reply.check)?.resolve(reply.matches)
        this.#checks.delete(reply.check)
        return
      case 'consumed':
        this.#consumed.get(reply.check)?.()
        this.#consumed.delete(reply.check)
        return
      case 'done': {
        const { sha512, leaves, root } = reply
        this.#done.resolve({ digest: `sha512-${sha512}` as Digest, leaves, root })
        return this.end(new Error('the hash job is over')) // for copies of chunks that came too late
      }
    }
  }

  /** Rejects what waits for a verdict. */
  end(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deps.onEnd()
    this.#done.reject(reason)
    for (const check of this.#checks.values()) check.reject(reason)
    // The thread may still read them, for a job whose outcome nobody wants.
    for (const consumed of this.#consumed.values()) consumed()
  }

  #start(): void {
    if (this.#isStarted) return
    this.#deps.thread.post({ op: 'open', job: this.#id, ...this.#options })
    this.#isStarted = true
  }

  /** Pooled bytes as they are, else a copy, in pooled memory while there is any. */
  #lend(bytes: Uint8Array, onConsumed: (() => void) | undefined): Lent {
    if (isPooled(bytes)) return { bytes, onConsumed }
    onConsumed?.()
    const { pool } = this.#deps
    const slab = pool?.take(bytes.byteLength)
    if (slab !== undefined) {
      slab.set(bytes)
      return { bytes: slab, onConsumed: () => pool?.give(slab) }
    }
    const copy = new Uint8Array(bytes.byteLength)
    copy.set(bytes)
    return { bytes: copy, onConsumed: undefined, transfer: [copy.buffer] }
  }
}
