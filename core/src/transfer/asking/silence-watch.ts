/**
 * Detects a peer that owes answers and has sent nothing at all for too long. Whatever it sends counts, so a slow peer is never
 * taken for a silent one, and time in which this machine slept or was too busy to read is not held against it.
 */
import type { CancelTimer, Clock } from '../../timing/clock.ts'

/**
 * Less than any client waits for its gateway: our plugins for Yarn and pnpm 20 s, Verdaccio 30 s, pnpm
 * and Yarn by themselves a minute, npm five.
 */
export const SILENCE_MS = 15_000
/** Of a carrier, beside which there is the host's connection: longer than between two words of a peer that holds back (WAIT). */
export const CARRIER_SILENCE_MS = 7_000
/** Between two looks. */
const PRECISION_MS = 1_000

export interface SilenceWatch {
  /** Something has been asked for. */
  begin(): void
  stop(): void
}

export function createSilenceWatch(deps: {
  readonly clock: Clock
  /** SILENCE_MS unless given. */
  readonly afterMs?: number | undefined
  readonly owesAnswers: () => boolean
  /** Only grows, or begins anew. */
  readonly receivedBytes: () => number
  /** Called once; the watch is over then, until something is asked for again. */
  readonly onSilent: () => void
}): SilenceWatch {
  const { clock, afterMs = SILENCE_MS } = deps
  let timer: CancelTimer | undefined
  let silentMs = 0
  let seenBytes = 0
  let lookedAtMs = 0

  function look(): void {
    timer = undefined
    if (!deps.owesAnswers()) return
    const elapsedMs = clock.now() - lookedAtMs
    silentMs =
      deps.receivedBytes() === seenBytes ? silentMs + Math.min(elapsedMs, 2 * PRECISION_MS) : 0
    if (silentMs >= afterMs) deps.onSilent()
    else lookLater()
  }

  function lookLater(): void {
    seenBytes = deps.receivedBytes()
    lookedAtMs = clock.now()
    timer = clock.after(PRECISION_MS, look)
  }

  return {
    begin() {
      if (timer !== undefined) return
      silentMs = 0
      lookLater()
    },
    stop() {
      timer?.()
      timer = undefined
    },
  }
}
