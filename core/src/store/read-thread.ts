/**
 * Small files read by a thread of their own, read-worker.ts. It takes only so many at once: what a slow disk leaves waiting
 * goes through the thread pool as everything else does, and so does all of it where the thread does not start.
 */
import { Worker } from 'node:worker_threads'
import { readRange, WrongSizeError } from './fs-reader.ts'
import type { StoreFiles } from './fs-files.ts'
import type { ReadReply, ReadRequest } from './read-worker.ts'

export interface WholeFiles {
  /** @throws WrongSizeError, or Node's error (ENOENT, EIO, ...) */
  read(path: string, size: number): Promise<Uint8Array>
  stop(): Promise<void>
}

const MAX_WAITING = 64

// The same file name with the extension of this one: .ts from source, .js when built.
const WORKER_URL = new URL(
  `./read-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
)

/** Through the files alone. */
export function createPooledReads(files: StoreFiles): WholeFiles {
  return {
    read: (path, size) => readRange(files, path, { start: 0, end: size, fileSize: size }),
    stop: () => Promise.resolve(),
  }
}

/** The thread starts with the first read. */
export function createReadThread(files: StoreFiles): WholeFiles {
  const pooled = createPooledReads(files)
  const waiting = new Map<number, PromiseWithResolvers<Uint8Array>>()
  let batch: ReadRequest[] = []
  let worker: Worker | undefined
  let isBroken = false
  let nextId = 1

  function start(): Worker {
    const started = new Worker(WORKER_URL)
    started.unref()
    started.on('message', (replies: readonly ReadReply[]) => replies.forEach(accept))
    started.on('error', lost)
    started.on('exit', () => lost(new Error('the reading thread ended')))
    return started
  }

  function lost(error: unknown): void {
    isBroken = true
    worker = undefined
    batch = []
    for (const read of waiting.values()) read.reject(error)
    waiting.clear()
  }

  function accept(reply: ReadReply): void {
    const read = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('bytes' in reply) read?.resolve(Buffer.from(reply.bytes.buffer, 0, reply.bytes.byteLength))
    else if ('error' in reply) read?.reject(Object.assign(new Error(), reply.error))
    else read?.reject(new WrongSizeError(`${reply.wrongSize} bytes`))
  }

  function flush(): void {
    const requests = batch
    batch = []
    if (requests.length === 0 || isBroken) return
    try {
      worker ??= start()
      worker.postMessage(requests)
    } catch (error) {
      lost(error) // no thread to be had: whoever waits reads through the pool
    }
  }

  async function readInThread(path: string, size: number): Promise<Uint8Array> {
    const read = Promise.withResolvers<Uint8Array>()
    const id = nextId++
    waiting.set(id, read)
    if (batch.push({ id, path, size }) === 1) queueMicrotask(flush)
    return await read.promise
  }

  return {
    async read(path, size) {
      if (isBroken || waiting.size >= MAX_WAITING) return await pooled.read(path, size)
      try {
        return await readInThread(path, size)
      } catch (error) {
        if (!isBroken) throw error
        return await pooled.read(path, size)
      }
    },
    async stop() {
      const running = worker
      lost(new Error('the store has stopped'))
      await running?.terminate()
    },
  }
}
