/**
 * A registry that answers "429 Too Many Requests" is left alone by everybody here, not by each request for itself: an install
 * is hundreds of them. When the time that it asked for is over, one request tries, and the rest follow when that got through.
 * Nobody waits for longer than his own deadline. https://www.rfc-editor.org/rfc/rfc6585#section-4
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { CatalogError } from '@catalog-p2p/core'

export interface BackOff {
  /**
   * Resolves when this origin may be asked.
   * @throws CatalogError UPSTREAM_UNREACHABLE with status 429 when that is not before `deadlineMs` (Unix time)
   */
  enter(origin: string, wait: { deadlineMs: number; signal: AbortSignal }): Promise<void>
  /** Must follow each request that has entered. `retryAfter`: as the header has it; undefined: none. */
  leave(origin: string, outcome: Outcome, retryAfter?: string): void
  /** Unix time from which on it may be asked; 0: at once. */
  until(origin: string): number
}

export type Outcome = 'busy' | 'answered' | 'failed'

interface Pause {
  readonly untilMs: number
  /** How many times it was asked in vain, one after the other. */
  readonly step: number
  /** Resolves when the one request that tries has its answer; undefined: nobody tries. */
  probe: PromiseWithResolvers<void> | undefined
}

const FIRST_MS = 1_000
/** Longer than that no registry is left alone, whatever it says. */
const MAX_MS = 60_000
const MAX_ORIGINS = 1_000

export function createBackOff(): BackOff {
  const pauses = new LRUCache<string, Pause>({ max: MAX_ORIGINS })

  return {
    until: (origin) => pauses.get(origin)?.untilMs ?? 0,
    async enter(origin, { deadlineMs, signal }) {
      for (;;) {
        const pause = pauses.get(origin)
        if (pause === undefined) return
        const nowMs = Date.now()
        if (pause.untilMs > nowMs) {
          if (pause.untilMs > deadlineMs) throw busy(origin, pause.untilMs - nowMs)
          await sleepFor(pause.untilMs - nowMs, signal)
        } else if (pause.probe === undefined) {
          pause.probe = Promise.withResolvers()
          return
        } else {
          if (nowMs >= deadlineMs) throw busy(origin, FIRST_MS)
          await Promise.race([pause.probe.promise, sleepFor(deadlineMs - nowMs, signal)])
        }
      }
    },
    leave(origin, outcome, retryAfter) {
      const pause = pauses.get(origin)
      const nowMs = Date.now()
      const isOver = pause === undefined || pause.untilMs <= nowMs
      if (outcome === 'busy') {
        // Answers to what was on its way already count as one.
        const step = isOver ? (pause?.step ?? -1) + 1 : pause.step
        const askedMs = retryAfterMs(retryAfter, nowMs) ?? FIRST_MS * 2 ** step
        const untilMs = Math.max(pause?.untilMs ?? 0, nowMs + Math.min(askedMs, MAX_MS))
        pauses.set(origin, { untilMs, step, probe: undefined })
      } else if (isOver) {
        if (outcome === 'answered') pauses.delete(origin)
        else if (pause !== undefined) pauses.set(origin, { ...pause, probe: undefined })
      }
      if (isOver) pause?.probe?.resolve()
    },
  }
}

/** Seconds or a date, RFC 9110 10.2.3; undefined: neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header.trim() === '') return undefined
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

export function busy(origin: string, ms: number): CatalogError {
  const seconds = Math.max(1, Math.ceil(ms / 1000))
  return new CatalogError(
    'UPSTREAM_UNREACHABLE',
    `${origin} gets too many requests and asks to be left alone for ${seconds} s`,
    { status: 429, retryAfter: String(seconds) },
  )
}

/** Rejects with the signal's own reason. */
async function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}
