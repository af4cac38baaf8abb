/**
 * Reads files, and hashes them where need be: small ones that are known at once (prompt-reads.ts), all others in a thread of its own
 * (read-worker.ts). That takes only so many at once: what a slow disk leaves waiting goes through the thread pool as everything
 * else does, and so does all of it where no thread can be started.
 */
import type { Clock } from '../../timing/clock.ts'
import { createWorkerThread, workerUrl, type WorkerThread } from '../../disk/worker-thread.ts'
import type { StoreFiles } from './files.ts'
import { PromptReads } from './prompt-reads.ts'
import { DamagedFileError, hashFile, readWhole } from './reader.ts'
import type { Expected, HashedFile, VerifiedBytes } from './reader.ts'
import type { HashRequest, ReadReply, ReadRequest } from './read-worker.ts'

export interface WholeFiles {
  /**
   * What is `expected`: by the looks of the file, else by its digest. For small files.
   * @throws DamagedFileError, or Node's error (ENOENT, EIO, ...)
   */
  read(path: string, expected: Expected): Promise<VerifiedBytes>
  /** What is expected, by the looks of the file, where that can be had without waiting. */
  readNow(path: string, expected: Expected): Uint8Array | undefined
  /** @throws Node's error */
  hash(path: string): Promise<HashedFile>
  stop(): Promise<void>
}

const MAX_WAITING = 64

/** Through the files alone. */
export function createPooledReads(files: StoreFiles): WholeFiles {
  return {
    read: (path, expected) => readWhole(files, path, expected),
    readNow: () => undefined,
    hash: (path) => hashFile(files, path),
    stop: () => Promise.resolve(),
  }
}

/** The thread starts with the first read that is not had at once. */
export function createReadThread(files: StoreFiles, clock: Pick<Clock, 'now'>): WholeFiles {
  const pooled = createPooledReads(files)
  const prompt = new PromptReads(clock)
  const thread = new ReadThread((ms) => prompt.took(ms))

  /** Through the pool when the thread is lost or busy. */
  async function eitherWay<T>(inThread: () => Promise<T>, inPool: () => Promise<T>): Promise<T> {
    if (thread.isLost || thread.waiting >= MAX_WAITING) return await inPool()
    try {
      return await inThread()
    } catch (error) {
      if (!thread.isLost) throw error
      return await inPool()
    }
  }

  return {
    read: (path, expected) =>
      eitherWay(
        () => thread.read(path, expected),
        () => pooled.read(path, expected),
      ),
    readNow: (path, expected) => prompt.read(path, expected),
    hash: (path) =>
      eitherWay(
        () => thread.hash(path),
        () => pooled.hash(path),
      ),
    stop: () => thread.stop(),
  }
}

/** Asks read-worker.ts; reads that are asked for in one turn of the event loop go in one message. */
class ReadThread {
  readonly #thread: WorkerThread<readonly ReadRequest[] | HashRequest>
  readonly #onRead: (ms: number) => void
  readonly #waiting = new Map<number, PromiseWithResolvers<ReadReply>>()
  #batch: ReadRequest[] = []
  #nextId = 1
  #isLost = false

  /** @param onRead a file was read, in so many ms of the thread's */
  constructor(onRead: (ms: number) => void) {
    this.#onRead = onRead
    this.#thread = createWorkerThread(workerUrl('read-worker', import.meta.url), {
      message: (replies: readonly ReadReply[]) => replies.forEach((reply) => this.#accept(reply)),
      lost: (error) => this.#lose(error),
      isIdle: () => this.#waiting.size === 0,
    })
  }

  /** For good: it is not started again. */
  get isLost(): boolean {
    return this.#isLost
  }

  get waiting(): number {
    return this.#waiting.size
  }

  async read(path: string, expected: Expected): Promise<VerifiedBytes> {
    const reply = await this.#ask((id) => {
      if (this.#batch.push({ id, path, ...expected }) === 1) queueMicrotask(() => this.#flush())
    })
    if (!('bytes' in reply)) throw new Error('no answer to what was asked')
    const { hashed } = reply
    const bytes = Buffer.from(reply.bytes.buffer, 0, reply.bytes.byteLength)
    return hashed ? { bytes, hashed } : { bytes }
  }

  async hash(path: string): Promise<HashedFile> {
    const reply = await this.#ask((id) => this.#post({ id, hash: path }))
    if (!('file' in reply)) throw new Error('no answer to what was asked')
    return reply.file
  }

  async stop(): Promise<void> {
    this.#lose(new Error('the store has stopped'))
    await this.#thread.stop()
  }

  async #ask(send: (id: number) => void): Promise<ReadReply> {
    const asked = Promise.withResolvers<ReadReply>()
    const id = this.#nextId++
    this.#waiting.set(id, asked)
    send(id)
    return await asked.promise
  }

  #flush(): void {
    const requests = this.#batch
    this.#batch = []
    if (requests.length > 0) this.#post(requests)
  }

  #post(request: readonly ReadRequest[] | HashRequest): void {
    if (this.#isLost) return
    try {
      this.#thread.post(request)
    } catch (error) {
      this.#lose(error) // no thread to be had: callers read through the pool
    }
  }

  #accept(reply: ReadReply): void {
    const asked = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('bytes' in reply) this.#onRead(reply.tookMs)
    if ('error' in reply) asked?.reject(Object.assign(new Error(), reply.error))
    else if ('damaged' in reply) asked?.reject(new DamagedFileError(reply.damaged))
    else asked?.resolve(reply)
  }

  #lose(error: unknown): void {
    this.#isLost = true
    this.#batch = []
    for (const read of this.#waiting.values()) read.reject(error)
    this.#waiting.clear()
  }
}
