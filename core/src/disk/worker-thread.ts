/**
 * One worker thread: started with the first message, and with the first after it has ended, by itself or at a rest; it keeps no
 * process alive. What is said, and what becomes of what was not answered, is the caller's: this is no queue.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { atRest } from './at-rest.ts'

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
    /** Called once per thread that ends by itself, after its last message: what it has not answered it never will. */
    readonly lost: (error: Error) => void
    /** All that was posted is answered; then a rest ends the thread, which is not reported. */
    readonly isIdle: () => boolean
  },
): WorkerThread<Request> {
  let worker: Worker | undefined
  let isKept: (() => void) | undefined
  /** Resolves when all that were stopped have ended. */
  let ended: Promise<void> = Promise.resolve()

  function start(): Worker {
    const started = new Worker(url)
    started.unref()
    isKept ??= atRest(() => {
      if (on.isIdle()) void stop()
    })
    let failure: unknown
    started.on('message', (reply: Reply) => {
      if (worker === started) on.message(reply)
    })
    // Its exit follows, and before that what it has still said.
    started.on('error', (error) => void (failure = error))
    started.on('exit', (code) => {
      // One that was stopped; the next one may be at work by now.
      if (worker !== started) return
      worker = undefined
      failure ??= new Error(`the thread ended with ${code}`)
      on.lost(failure instanceof Error ? failure : new Error(String(failure)))
    })
    return started
  }

  async function stop(): Promise<void> {
    isKept?.()
    isKept = undefined
    const running = worker
    worker = undefined
    const before = ended
    if (running !== undefined) ended = running.terminate().then(() => before)
    await ended
  }

  return {
    post(request, transfer = []) {
      worker ??= start()
      worker.postMessage(request, transfer)
    },
    get isRunning() {
      return worker !== undefined
    },
    stop,
  }
}

/** The file of a thread beside this one: .ts when run from source, .js when built. */
export function workerUrl(name: string, importedFrom: string): URL {
  return new URL(`./${name}${extname(new URL(importedFrom).pathname)}`, importedFrom)
}
