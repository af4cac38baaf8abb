/**
 * One worker thread: started with the first message, and with the first after it has ended by itself; it keeps no process
 * alive. What is said, and what becomes of what was not answered, is the caller's: this is no queue.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

export interface WorkerThread<Request> {
  /** @throws Error when no thread can be started; the message is lost then */
  post(request: Request, transfer?: ArrayBuffer[]): void
  readonly isRunning: boolean
  /** Ends the thread; it is not reported as lost. */
  stop(): Promise<void>
}

export function createWorkerThread<Request, Reply>(
  url: URL,
  on: {
    /** Called with what the thread posts. */
    readonly message: (reply: Reply) => void
    /** Called once per thread that ends by itself: what it has not answered it never will. */
    readonly lost: (error: Error) => void
  },
): WorkerThread<Request> {
  let worker: Worker | undefined

  function start(): Worker {
    const started = new Worker(url)
    started.unref()
    started.on('message', on.message)
    started.on('error', (error) => lost(started, error))
    started.on('exit', (code) => lost(started, new Error(`the thread ended with ${code}`)))
    return started
  }

  // A thread that ends says so twice (error, exit); by then the next one may be at work.
  function lost(ended: Worker, error: unknown): void {
    if (worker !== ended) return
    worker = undefined
    on.lost(error instanceof Error ? error : new Error(String(error)))
  }

  return {
    post(request, transfer = []) {
      worker ??= start()
      worker.postMessage(request, transfer)
    },
    get isRunning() {
      return worker !== undefined
    },
    async stop() {
      const running = worker
      worker = undefined
      await running?.terminate()
    },
  }
}

/** The file of a thread beside this one: .ts when run from source, .js when built. */
export function workerUrl(name: string, importedFrom: string): URL {
  return new URL(`./${name}${extname(new URL(importedFrom).pathname)}`, importedFrom)
}
