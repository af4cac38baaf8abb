/**
 * Hashes large artifacts in a worker thread, so that the main thread's time goes to moving bytes. Small artifacts (one
 * chunk) are hashed where they are: a message to a thread costs more.
 */
import { Worker } from 'node:worker_threads'
import type { Digest } from '../content/digest.ts'
import type { HashReply, HashRequest } from './hash-worker.ts'

export interface HashJob {
  /**
   * Hashes one chunk, in any order; takes its own copy. Resolves to whether it matches its leaf (true where no leaves
   * were given). Never give more than a bounded window of chunks ahead of the first missing one.
   */
  add(index: number, bytes: Uint8Array): Promise<boolean>
  /** Settles when every chunk has matched: the digest of the whole and the leaves. */
  readonly done: Promise<{ digest: Digest; leaves: Uint8Array }>
  /** Forgets the job; safe at any time. */
  close(): void
}

export interface Hasher {
  open(options: { chunks: number; leaves: Uint8Array | undefined }): HashJob
  stop(): Promise<void>
}

interface OpenJob {
  readonly checks: Map<number, PromiseWithResolvers<boolean>>
  readonly done: PromiseWithResolvers<{ digest: Digest; leaves: Uint8Array }>
}

// The same file name with the extension of this one: .ts from source, .js when built.
const WORKER_URL = new URL(
  `./hash-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
)

/** The thread starts with the first job. */
export function createHasher(): Hasher {
  const jobs = new Map<number, OpenJob>()
  let worker: Worker | undefined
  let nextJob = 1

  function start(): Worker {
    const started = new Worker(WORKER_URL)
    started.unref()
    started.on('message', accept)
    started.on('error', (error) => failAll(error))
    started.on('exit', (code) => failAll(new Error(`the hash thread ended with code ${code}`)))
    return started
  }

  function failAll(error: unknown): void {
    worker = undefined
    for (const job of jobs.values()) {
      job.done.reject(error)
      for (const check of job.checks.values()) check.reject(error)
    }
    jobs.clear()
  }

  function accept(reply: HashReply): void {
    const job = jobs.get(reply.job)
    if (job === undefined) return
    if (reply.op === 'checked') {
      job.checks.get(reply.index)?.resolve(reply.matches)
      job.checks.delete(reply.index)
      return
    }
    jobs.delete(reply.job)
    job.done.resolve({ digest: `sha512-${reply.sha512}` as Digest, leaves: reply.leaves })
  }

  function send(request: HashRequest, transfer: ArrayBuffer[] = []): void {
    worker ??= start()
    worker.postMessage(request, transfer)
  }

  return {
    open({ chunks, leaves }) {
      const id = nextJob++
      const job: OpenJob = { checks: new Map(), done: Promise.withResolvers() }
      job.done.promise.catch(() => undefined) // whoever awaits it sees it; closing early is no error
      jobs.set(id, job)
      send({ op: 'open', job: id, chunks, leaves })
      return {
        async add(index, bytes) {
          if (!jobs.has(id)) throw new Error('the hash job is over')
          const check = Promise.withResolvers<boolean>()
          job.checks.set(index, check)
          const copy = new Uint8Array(bytes.byteLength)
          copy.set(bytes)
          send({ op: 'chunk', job: id, index, bytes: copy }, [copy.buffer])
          return await check.promise
        },
        done: job.done.promise,
        close() {
          if (!jobs.delete(id)) return
          const reason = new Error('the hash job was closed')
          job.done.reject(reason)
          for (const check of job.checks.values()) check.reject(reason)
          if (worker !== undefined) send({ op: 'close', job: id })
        },
      }
    },
    async stop() {
      const running = worker
      failAll(new Error('the hasher has stopped'))
      await running?.terminate()
    },
  }
}
