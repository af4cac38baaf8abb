/**
 * One request, and its answer as it comes, by undici's handlers: its own `request` makes more objects for each answer than reading
 * a short one does. Knows no timeouts of its own, no retries and no redirects.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AnswerBody } from './answer-body.ts'

export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly headers: IncomingHttpHeaders
  /** Its errors are its reader's to see; those that nobody waits for end nothing. */
  readonly body: Readable
}

export interface Question extends Dispatcher.DispatchOptions {
  readonly body: Readable | null
  readonly signal: AbortSignal
}

/** Resolves with the head of the answer. @throws undici's errors; `signal.reason` */
export function askOnce(
  dispatcher: Dispatcher,
  { signal, ...question }: Question,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const handler = new AnswerHandler({ signal, sent: question.body, resolve, reject })
    if (signal.aborted) return handler.fail(signal.reason)
    try {
      dispatcher.dispatch(question, handler)
    } catch (error) {
      handler.fail(error)
    }
  })
}

interface Asked {
  readonly signal: AbortSignal
  readonly sent: Readable | null
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #asked: Asked
  readonly #onAbort = (): void => this.#abort()
  /** undefined: it waits for a connection. */
  #controller: Dispatcher.DispatchController | undefined
  #body: AnswerBody | undefined

  constructor(asked: Asked) {
    this.#asked = asked
    asked.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#asked.signal.aborted) controller.abort(toError(this.#asked.signal.reason))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText = '',
  ): void {
    if (status < 200) return // the answer is still to come
    this.#body = new AnswerBody(controller)
    this.#asked.resolve({ status, statusText, headers, body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.came(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    this.#leave()
    this.#body?.complete()
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.fail(error)
  }

  fail(error: unknown): void {
    this.#leave()
    this.#asked.reject(error)
    this.#body?.destroy(toError(error))
    this.#asked.sent?.on('error', () => undefined).destroy(toError(error))
  }

  #abort(): void {
    const reason: unknown = this.#asked.signal.reason
    // One that waits for a connection is not sent when it gets one.
    if (this.#controller === undefined) this.fail(reason)
    else this.#controller.abort(toError(reason))
  }

  #leave(): void {
    this.#asked.signal.removeEventListener('abort', this.#onAbort)
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
