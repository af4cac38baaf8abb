/**
 * Files read, and where need be hashed, by a thread of their own, read-worker.ts. It takes only so many at once: what a slow
 * disk leaves waiting goes through the thread pool as everything else does, and so does all of it where the thread does not
 * start.
 */
import { Worker } from 'node:worker_threads'
import type { StoreFiles } from './fs-files.ts'
import { DamagedFileError, hashFile, readWhole } from './fs-reader.ts'
import type { Expected, HashedFile, VerifiedBytes } from './fs-reader.ts'
import type { HashRequest, ReadReply, ReadRequest } from './read-worker.ts'

export interface WholeFiles {
  /**
   * What is `expected`: by the looks of the file, else by its digest. For small files.
   * @throws DamagedFileError, or Node's error (ENOENT, EIO, ...)
   */
  read(path: string, expected: Expected): Promise<VerifiedBytes>
  /** @throws Node's error */
  hash(path: string): Promise<HashedFile>
  stop(): Promise<void>
}

type Waiting = PromiseWithResolvers<ReadReply>

const MAX_WAITING = 64

// The same file name with the extension of this one: .ts from source, .js when built.
const WORKER_URL = new URL(
  `./read-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
)

/** Through the files alone. */
export function createPooledReads(files: StoreFiles): WholeFiles {
  return {
    read: (path, expected) => readWhole(files, path, expected),
    hash: (path) => hashFile(files, path),
    stop: () => Promise.resolve(),
  }
}

/** The thread starts with the first read. */
export function createReadThread(files: StoreFiles): WholeFiles {
  const pooled = createPooledReads(files)
  const waiting = new Map<number, Waiting>()
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
    const asked = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) asked?.reject(Object.assign(new Error(), reply.error))
    else if ('damaged' in reply) asked?.reject(new DamagedFileError(reply.damaged))
    else asked?.resolve(reply)
  }

  function post(request: readonly ReadRequest[] | HashRequest): void {
    if (isBroken) return
    try {
      worker ??= start()
      worker.postMessage(request)
    } catch (error) {
      lost(error) // no thread to be had: whoever waits reads through the pool
    }
  }

  function flush(): void {
    const requests = batch
    batch = []
    if (requests.length > 0) post(requests)
  }

  async function ask(send: (id: number) => void): Promise<ReadReply> {
    const asked: Waiting = Promise.withResolvers()
    const id = nextId++
    waiting.set(id, asked)
    send(id)
    return await asked.promise
  }

  async function readInThread(path: string, expected: Expected): Promise<VerifiedBytes> {
    const reply = await ask((id) => {
      if (batch.push({ id, path, ...expected }) === 1) queueMicrotask(flush)
    })
    if (!('bytes' in reply)) throw new Error('no answer to what was asked')
    const { hashed } = reply
    const bytes = Buffer.from(reply.bytes.buffer, 0, reply.bytes.byteLength)
    return hashed ? { bytes, hashed } : { bytes }
  }

  async function hashInThread(path: string): Promise<HashedFile> {
    const reply = await ask((id) => post({ id, hash: path }))
    if (!('file' in reply)) throw new Error('no answer to what was asked')
    return reply.file
  }

  /** Through the pool when the thread is lost or busy. */
  async function eitherWay<T>(inThread: () => Promise<T>, inPool: () => Promise<T>): Promise<T> {
    if (isBroken || waiting.size >= MAX_WAITING) return await inPool()
    try {
      return await inThread()
    } catch (error) {
      if (!isBroken) throw error
      return await inPool()
    }
  }

  return {
    read: (path, expected) =>
      eitherWay(
        () => readInThread(path, expected),
        () => pooled.read(path, expected),
      ),
    hash: (path) =>
      eitherWay(
        () => hashInThread(path),
        () => pooled.hash(path),
      ),
    async stop() {
      const running = worker
      lost(new Error('the store has stopped'))
      await running?.terminate()
    },
  }
}
