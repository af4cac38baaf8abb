/**
 * Posts spans to a collector, in batches and behind everything else: a queue with a bound, one request at a time, each with a
 * deadline. A collector that is not there costs a log line, and the spans that the queue has no room for; never an install.
 */
import { hostname } from 'node:os'
import type { Logger } from '@catalog-p2p/core'
import { redactUrl } from '../http/redact-url.ts'
import { packageVersion } from '../package-folder.ts'
import { attributesOf, traceRequest, type KeyValue, type Span } from './otlp-span.ts'
import type { TraceTarget } from './trace-target.ts'

const MAX_QUEUE = 8192
const MAX_BATCH = 512
const FIRST_PAUSE_MS = 2_000
const MAX_PAUSE_MS = 60_000
/** Of the daemon's end, for what is left. */
const CLOSE_MS = 2_000
/** https://opentelemetry.io/docs/specs/otlp/#failures-1 */
const TRY_AGAIN = new Set([429, 502, 503, 504])

export class OtlpExporter {
  readonly #log: Logger
  readonly #target: TraceTarget
  readonly #version = packageVersion()
  readonly #resource: readonly KeyValue[]
  readonly #closing = new AbortController()
  readonly #queue: Span[] = []
  #dropped = 0
  #sending: Promise<void> | undefined
  /** 0: the last request went well. */
  #pauseMs = 0
  #notBeforeMs = 0

  constructor({ log }: { log: Logger }, target: TraceTarget) {
    this.#log = log
    this.#target = target
    this.#resource = attributesOf({
      ...{ 'service.name': 'catalog-p2p', 'service.version': this.#version },
      ...{ 'host.name': hostname(), 'process.pid': process.pid, ...target.resource },
    })
  }

  add(span: Span): void {
    if (this.#queue.length < MAX_QUEUE) this.#queue.push(span)
    else this.#dropped += 1
  }

  /** Sends what waits, unless the last request failed a moment ago. Never rejects. */
  flush(nowMs = performance.now()): Promise<void> {
    if (nowMs < this.#notBeforeMs) return Promise.resolve()
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  /** Once more, if the collector was there the last time; within two seconds. */
  async close(): Promise<void> {
    const deadline = setTimeout(() => this.#closing.abort(new Error('the gateway ends')), CLOSE_MS)
    await this.#sending
    await this.flush()
    clearTimeout(deadline)
  }

  async #send(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
      const batch = this.#queue.splice(0, MAX_BATCH)
      const problem = await this.#post(batch)
      if (problem === undefined) {
        this.#recover()
        continue
      }
      if (problem.isLasting) this.#dropped += batch.length
      else this.#queue.unshift(...batch.slice(0, MAX_QUEUE - this.#queue.length))
      this.#fail(problem.reason)
      return
    }
  }

  async #post(spans: readonly Span[]): Promise<{ reason: string; isLasting: boolean } | undefined> {
    const { url, headers, timeoutMs } = this.#target
    const body = traceRequest(spans, { resource: this.#resource, version: this.#version })
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        redirect: 'error', // the headers are for this collector
        headers: { ...headers, 'content-type': 'application/json' },
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
      })
      await response.body?.cancel()
      const { ok, status } = response
      if (ok) return undefined
      return { reason: `it answers ${status}`, isLasting: !TRY_AGAIN.has(status) }
    } catch (error) {
      return { reason: reasonOf(error), isLasting: false }
    }
  }

  #fail(reason: string): void {
    if (this.#pauseMs === 0) {
      this.#log.warn('traces.not-sent', {
        ...{ collector: redactUrl(this.#target.url), reason },
        hint: 'see OTEL_EXPORTER_OTLP_ENDPOINT: OTLP over HTTP, usually port 4318; installs go on without',
      })
    }
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2 || FIRST_PAUSE_MS)
    this.#notBeforeMs = performance.now() + this.#pauseMs
  }

  #recover(): void {
    if (this.#pauseMs > 0 || this.#dropped > 0) {
      this.#log.info('traces.sent', { lost: this.#dropped })
    }
    this.#pauseMs = 0
    this.#notBeforeMs = 0
    this.#dropped = 0
  }
}

/** What fetch says is `fetch failed`; why is in its cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  const code = (cause as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : message
}
