/**
 * What is to be announced in the DHT, and when again: new announcements first, in order; then those that are due again.
 * Bounded: when full, the re-announcement that has waited longest is forgotten (the swarm still learns of that artifact
 * through inventories). Pure: time and chance are arguments. docs/protocol.md, section DHT
 */
import type { Digest } from '../../content/digest.ts'

const HOUR_MS = 3_600_000
/** Provider records live for 48 h; twice a lifetime and more, spread so that a full store is not announced at once. */
const MIN_REANNOUNCE_MS = 12 * HOUR_MS
const REANNOUNCE_SPREAD_MS = 10 * HOUR_MS
/** Re-announcements are kept in slots: a slot is due when its time has come. */
const SLOT_MS = 10 * 60_000

export class AnnouncePlan {
  readonly #maxTracked: number
  readonly #fresh = new Set<Digest>()
  readonly #slotOf = new Map<Digest, number>()
  readonly #slots = new Map<number, Set<Digest>>()

  constructor(options: { readonly maxTracked: number }) {
    this.#maxTracked = options.maxTracked
  }

  /** Announcements that have not been made even once. */
  get freshCount(): number {
    return this.#fresh.size
  }

  /** False when it is planned already, or when there is no room even after forgetting. */
  add(digest: Digest): boolean {
    if (this.#fresh.has(digest) || this.#slotOf.has(digest)) return false
    if (this.#fresh.size + this.#slotOf.size >= this.#maxTracked && !this.#forgetOldest()) {
      return false
    }
    this.#fresh.add(digest)
    return true
  }

  remove(digest: Digest): void {
    this.#fresh.delete(digest)
    const slot = this.#slotOf.get(digest)
    if (slot === undefined) return
    this.#slotOf.delete(digest)
    const digests = this.#slots.get(slot)
    digests?.delete(digest)
    if (digests?.size === 0) this.#slots.delete(slot)
  }

  /** Takes the next one that is due out of the plan; `isFree` says no for those that have to wait. */
  take(nowMs: number, isFree: (digest: Digest) => boolean): Digest | undefined {
    for (const digest of this.#fresh) {
      if (!isFree(digest)) continue
      this.#fresh.delete(digest)
      return digest
    }
    const slot = this.#firstSlot()
    if (slot === undefined || slot * SLOT_MS > nowMs) return undefined
    for (const digest of this.#slots.get(slot) ?? []) {
      if (!isFree(digest)) continue
      this.remove(digest)
      return digest
    }
    return undefined
  }

  /** It has been announced: plans the next time. `chance` is from 0 to 1. */
  announced(digest: Digest, nowMs: number, chance: number): void {
    const dueAtMs = nowMs + MIN_REANNOUNCE_MS + chance * REANNOUNCE_SPREAD_MS
    this.#plan(digest, Math.ceil(dueAtMs / SLOT_MS))
  }

  /** It could not be announced: due at once, behind those that are new. */
  failed(digest: Digest, nowMs: number): void {
    this.#plan(digest, Math.floor(nowMs / SLOT_MS))
  }

  /** When the next re-announcement is due; Infinity when there is none. */
  nextDueMs(): number {
    return (this.#firstSlot() ?? Infinity) * SLOT_MS
  }

  /** Announcements due at `nowMs`, new ones included. */
  dueCount(nowMs: number): number {
    let count = this.#fresh.size
    for (const [slot, digests] of this.#slots) if (slot * SLOT_MS <= nowMs) count += digests.size
    return count
  }

  #plan(digest: Digest, slot: number): void {
    this.remove(digest)
    this.#slotOf.set(digest, slot)
    const digests = this.#slots.get(slot) ?? new Set()
    digests.add(digest)
    this.#slots.set(slot, digests)
  }

  #forgetOldest(): boolean {
    const slot = this.#firstSlot()
    const [oldest] = slot === undefined ? [] : (this.#slots.get(slot) ?? [])
    if (oldest === undefined) return false
    this.remove(oldest)
    return true
  }

  /** At most 22 hours of slots, so looking at all of them is nothing. */
  #firstSlot(): number | undefined {
    let first: number | undefined
    for (const slot of this.#slots.keys()) if (first === undefined || slot < first) first = slot
    return first
  }
}
