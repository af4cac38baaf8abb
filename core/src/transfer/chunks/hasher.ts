/**
 * Hashes large artifacts in a worker thread, so that the main thread's time goes to moving bytes. Small artifacts (one
 * chunk) are hashed where they are: a message to a thread costs more.
 */
import { Worker } from 'node:worker_threads'
import type { Digest } from '../../content/digest.ts'
import { isPooled, type ChunkPool } from './chunk-pool.ts'
import type { HashReply, HashRequest } from './hash-worker.ts'

export interface HashedWhole {
  readonly digest: Digest
  /** SHA-256 of each chunk, concatenated, and the Merkle root over them. */
  readonly leaves: Uint8Array
  readonly root: Uint8Array
}

export interface HashJob {
  /**
   * Hashes one chunk, in any order; takes its own copy, unless it is pooled: then leave it as it is until `onConsumed`.
   * Resolves to whether these bytes match its leaf (true where no
   * leaves were given); rejects when the job ends before the verdict. Never give more than a bounded window of chunks
   * ahead of the first missing one.
   */
  add(index: number, bytes: Uint8Array, onConsumed?: () => void): Promise<boolean>
  /** Settles when every chunk has matched. */
  readonly done: Promise<HashedWhole>
  /** Forgets the job; safe at any time. */
  close(): void
}

export interface Hasher {
  open(options: { chunks: number; leaves: Uint8Array | undefined }): HashJob
  stop(): Promise<void>
}

interface OpenJob {
  /** By their own number, not by chunk: a good and a bad copy of one chunk may be under way together. */
  readonly checks: Map<number, PromiseWithResolvers<boolean>>
  readonly consumed: Map<number, () => void>
  readonly done: PromiseWithResolvers<HashedWhole>
}

interface Lent {
  readonly bytes: Uint8Array
  readonly onConsumed: (() => void) | undefined
  readonly transfer?: ArrayBuffer[]
}

// The same file name with the extension of this one: .ts from source, .js when built.
const WORKER_URL = new URL(
  `./hash-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
)

/**
 * The thread starts with the first job, and again after it has failed. Copies for it go into `pool`, while that has any:
 * memory that two threads share is freed only when both have collected, and the thread has no reason to.
 */
export function createHasher(pool?: ChunkPool): Hasher {
  const jobs = new Map<number, OpenJob>()
  let worker: Worker | undefined
  let nextJob = 1
  let nextCheck = 1
  let stopped = false

  function start(): Worker {
    const started = new Worker(WORKER_URL)
    started.unref()
    started.on('message', accept)
    started.on('error', (error) => lost(started, error))
    started.on('exit', (code) => lost(started, new Error(`the hash thread ended with ${code}`)))
    return started
  }

  // An ended thread says so twice (error, exit); by then the next one may be at work.
  function lost(ended: Worker, error: unknown): void {
    if (worker !== ended) return
    worker = undefined
    for (const id of [...jobs.keys()]) end(id, error)
  }

  function end(id: number, reason: unknown): void {
    const job = jobs.get(id)
    if (job === undefined) return
    jobs.delete(id)
    job.done.reject(reason)
    for (const check of job.checks.values()) check.reject(reason)
    // The thread may still read them, for a job whose outcome nobody wants.
    for (const consumed of job.consumed.values()) consumed()
  }

  function accept(reply: HashReply): void {
    const job = jobs.get(reply.job)
    if (job === undefined) return
    if (reply.op === 'checked') {
      job.checks.get(reply.check)?.resolve(reply.matches)
      job.checks.delete(reply.check)
      return
    }
    if (reply.op === 'consumed') {
      job.consumed.get(reply.check)?.()
      job.consumed.delete(reply.check)
      return
    }
    const { leaves, root } = reply
    job.done.resolve({ digest: `sha512-${reply.sha512}` as Digest, leaves, root })
    end(reply.job, new Error('the hash job is over')) // for copies of chunks that came too late
  }

  function send(request: HashRequest, transfer: ArrayBuffer[] = []): void {
    worker ??= start()
    worker.postMessage(request, transfer)
  }

  /** What the thread reads: pooled bytes as they are, else a copy, in pooled memory while there is any. */
  function lend(bytes: Uint8Array, onConsumed: (() => void) | undefined): Lent {
    if (isPooled(bytes)) return { bytes, onConsumed }
    onConsumed?.()
    const slab = pool?.take(bytes.byteLength)
    if (slab !== undefined) {
      slab.set(bytes)
      return { bytes: slab, onConsumed: () => pool?.give(slab) }
    }
    const copy = new Uint8Array(bytes.byteLength)
    copy.set(bytes)
    return { bytes: copy, onConsumed: undefined, transfer: [copy.buffer] }
  }

  return {
    open({ chunks, leaves }) {
      if (stopped) throw new Error('the hasher has stopped')
      const id = nextJob++
      const job: OpenJob = { checks: new Map(), consumed: new Map(), done: Promise.withResolvers() }
      job.done.promise.catch(() => undefined) // whoever awaits it sees it; closing early is no error
      jobs.set(id, job)
      send({ op: 'open', job: id, chunks, leaves })
      return {
        async add(index, bytes, onConsumed) {
          if (!jobs.has(id)) {
            onConsumed?.()
            throw new Error('the hash job is over')
          }
          const check = nextCheck++
          const verdict = Promise.withResolvers<boolean>()
          job.checks.set(check, verdict)
          const lent = lend(bytes, onConsumed)
          if (lent.onConsumed !== undefined) job.consumed.set(check, lent.onConsumed)
          send({ op: 'chunk', job: id, check, index, bytes: lent.bytes }, lent.transfer)
          return await verdict.promise
        },
        done: job.done.promise,
        close() {
          if (!jobs.has(id)) return
          end(id, new Error('the hash job was closed'))
          if (worker !== undefined) send({ op: 'close', job: id })
        },
      }
    },
    async stop() {
      stopped = true
      const running = worker
      worker = undefined
      for (const id of [...jobs.keys()]) end(id, new Error('the hasher has stopped'))
      await running?.terminate()
    },
  }
}
