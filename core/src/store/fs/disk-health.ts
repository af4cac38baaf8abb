/**
 * Whether the disk takes writes. After the first failure the store serves without storing: one log line, then silence and
 * one attempt a minute until a write succeeds. Knows nothing of files.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'
import { isCatalogError } from '../../errors.ts'
import { errnoOf } from '../../disk/errno.ts'

/** Between two attempts while the disk refuses. */
const RETRY_AFTER_MS = 60_000

const WARN_AGAIN_AFTER_MS = 3_600_000

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space, or lower the quota',
  EDQUOT: 'your disk quota is used up: free some space, or lower the quota of the store',
  EACCES: 'the folder may not be written: check its permissions',
  EPERM: 'the folder may not be written: check its permissions',
  EROFS: 'the file system is read-only: choose another folder with --store',
}

export class DiskHealth {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #path: string
  #failing = false
  #retryAtMs = 0
  #warnedAtMs = -Infinity

  constructor(deps: { clock: Clock; log: Logger }, path: string) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#path = path
  }

  get writable(): boolean {
    return !this.#failing
  }

  /** True while healthy, and for one caller a minute while not: that caller's write is the attempt. */
  mayWrite(): boolean {
    if (!this.#failing) return true
    if (this.#clock.now() < this.#retryAtMs) return false
    this.#retryAtMs = this.#clock.now() + RETRY_AFTER_MS
    return true
  }

  failed(error: unknown): void {
    this.#retryAtMs = this.#clock.now() + RETRY_AFTER_MS
    if (this.#failing) return
    this.#failing = true
    const cause = isCatalogError(error) ? (error.cause ?? error) : error
    const hint = isCatalogError(error) ? error.hint : undefined
    const code = isSqliteFull(cause) ? 'ENOSPC' : errnoOf(cause)
    // A disk that is nearly full takes this and refuses that: one line tells it all.
    const nowMs = this.#clock.now()
    const level = nowMs - this.#warnedAtMs < WARN_AGAIN_AFTER_MS ? 'debug' : 'warn'
    if (level === 'warn') this.#warnedAtMs = nowMs
    this.#log[level]('store.degraded', {
      path: this.#path,
      code,
      reason: cause instanceof Error ? cause.message : String(cause),
      hint: HINTS[code ?? ''] ?? hint ?? 'check the disk',
      effect: 'serving without storing; trying again every minute',
    })
  }

  succeeded(): void {
    if (!this.#failing) return
    this.#failing = false
    this.#log.info('store.recovered', { path: this.#path })
  }
}

// https://www.sqlite.org/rescode.html#full
function isSqliteFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 13
}
