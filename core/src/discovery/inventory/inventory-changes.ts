/**
 * Changes of our list that connected peers have not been told yet, and how long to wait for company before telling them.
 * What comes and goes within one window is told once; news of what we hold goes before news of what we lost. Pure: time is
 * an argument. docs/protocol.md, section Inventory
 */
import { encodeInventoryMessage, MAX_CHANGES_PER_FRAME } from '../../wire/inventory-messages.ts'

/** Nothing was told for a while: wait only for what happens in the same breath. */
const SHORT_WINDOW_MS = 20
/** Under load telling 200 peers costs more than this wait does. */
const LONG_WINDOW_MS = 200
/** Half of what receivers put up with. */
const MAX_CHANGES_PER_MS = 20

export class PendingChanges {
  readonly #have = new Set<number>()
  readonly #lost = new Set<number>()
  #takenAtMs = -Infinity
  #takenCount = 0

  get size(): number {
    return this.#have.size + this.#lost.size
  }

  set(prefix: number, isListed: boolean): void {
    const [to, from] = isListed ? [this.#have, this.#lost] : [this.#lost, this.#have]
    from.delete(prefix)
    to.add(prefix)
  }

  /** How long from now changes may wait: a millisecond a peer under load, longer after a large batch. */
  windowMs(peers: number, nowMs: number): number {
    const loadMs = Math.min(LONG_WINDOW_MS, peers)
    const pacedMs = this.#takenCount / MAX_CHANGES_PER_MS
    const sinceMs = nowMs - this.#takenAtMs
    return Math.max(SHORT_WINDOW_MS, Math.max(loadMs, pacedMs) - sinceMs)
  }

  /** The next batch as frames, at most one HAVE and one LOST. */
  take(nowMs: number): Uint8Array[] {
    const have = takeFirst(this.#have, MAX_CHANGES_PER_FRAME)
    const lost = takeFirst(this.#lost, MAX_CHANGES_PER_FRAME - have.length)
    this.#takenAtMs = nowMs
    this.#takenCount = have.length + lost.length
    const frames: Uint8Array[] = []
    if (have.length > 0) {
      frames.push(encodeInventoryMessage({ type: 'have', prefixes: Uint32Array.from(have) }))
    }
    if (lost.length > 0) {
      frames.push(encodeInventoryMessage({ type: 'lost', prefixes: Uint32Array.from(lost) }))
    }
    return frames
  }
}

function takeFirst(from: Set<number>, maxCount: number): number[] {
  const taken: number[] = []
  for (const prefix of from) {
    if (taken.length >= maxCount) break
    from.delete(prefix)
    taken.push(prefix)
  }
  return taken
}
