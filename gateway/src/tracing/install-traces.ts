/**
 * Traces of installs for a collector that the user has named: each request's span when it has ended, the install's own when
 * nothing has been asked for a while. What arrives later of the same run of a client belongs to the same trace.
 */
import { randomBytes } from 'node:crypto'
import type { Logger } from '@catalog-p2p/core'
import type { Activity } from '../activity/activity.ts'
import { PAUSE_MS, type Install } from '../activity/install-log.ts'
import type { Visit } from '../activity/visit.ts'
import { installSpan, visitSpan, type TraceIds } from './install-spans.ts'
import { OtlpExporter } from './otlp-exporter.ts'
import type { TraceTarget } from './trace-target.ts'

const TICK_MS = 2_000
const MAX_OPEN = 256

export class InstallTraces {
  readonly #activity: Activity
  readonly #exporter: OtlpExporter
  readonly #ids = new WeakMap<Install, TraceIds>()
  /** Their own span has not been sent; the oldest first. */
  readonly #open = new Set<Install>()
  readonly #timer: NodeJS.Timeout

  constructor(deps: { activity: Activity; log: Logger }, target: TraceTarget) {
    this.#activity = deps.activity
    this.#exporter = new OtlpExporter(deps, target)
    this.#activity.onEnd = (visit) => this.#add(visit)
    this.#timer = setInterval(() => void this.tick(performance.now()), TICK_MS)
    this.#timer.unref()
  }

  /** Sends what has ended by now, of performance.now(). Never rejects. */
  tick(nowMs: number): Promise<void> {
    for (const install of this.#open) {
      if (install.running === 0 && nowMs - install.lastMs > PAUSE_MS) this.#finish(install)
    }
    return this.#exporter.flush()
  }

  /** Sends what there is, complete or not; within two seconds. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#activity.onEnd = undefined
    for (const install of this.#open) this.#finish(install)
    await this.#exporter.close()
  }

  #add(visit: Visit): void {
    const { install } = visit
    let ids = this.#ids.get(install)
    if (ids === undefined) {
      ids = { traceId: randomId(16), rootId: randomId(8) }
      this.#ids.set(install, ids)
      this.#open.add(install)
      const [oldest] = this.#open
      if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#finish(oldest)
    }
    this.#exporter.add(visitSpan(visit, ids, randomId(8)))
  }

  #finish(install: Install): void {
    this.#open.delete(install)
    const ids = this.#ids.get(install)
    if (ids === undefined) return
    this.#exporter.add(installSpan(install, ids, this.#activity.visitsOf(install)))
  }
}

function randomId(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
