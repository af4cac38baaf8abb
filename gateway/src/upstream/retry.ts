/** Which answers of a registry are worth another try, and how long to wait before it. */
import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_BACKOFF_MS = 150
const MAX_BACKOFF_MS = 4_000
const RETRIED_STATUS = new Set([408, 429, 500, 502, 503, 504])

export function isRetriedStatus(status: number): boolean {
  return RETRIED_STATUS.has(status)
}

/**
 * Exponential from 150 ms, half of it random, so that many gateways do not come back at once; never longer than 4 s.
 * @param retryAfter as the header has it (RFC 9110 10.2.3), of which only seconds are read
 */
export function backoffMs(attempt: number, retryAfter: string | undefined): number {
  const asked = Number(retryAfter) * 1000
  if (Number.isFinite(asked) && asked > 0) return Math.min(asked, MAX_BACKOFF_MS)
  const full = Math.min(FIRST_BACKOFF_MS * 2 ** attempt, MAX_BACKOFF_MS)
  return full / 2 + (Math.random() * full) / 2
}

/** Rejects with the signal's own reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** Whether it is one of undici's own, of headers or of connecting. */
export function isTimeout(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
