/**
 * What one inventory stream has told so far: the snapshot being received, the inventory it became, the changes since. Any
 * breach of the protocol or of its limits throws. The inventory known before stays in use until a new snapshot is complete.
 * Pure: time is an argument. docs/protocol.md, section Inventory
 */
import { CatalogError } from '../../errors.ts'
import { MAX_INVENTORY_PREFIXES } from '../../wire/inventory-messages.ts'
import { Inventory } from './inventory.ts'
import type { InventoryMessage } from '../../wire/inventory-messages.ts'
import { TokenBucket } from '../../limits/token-bucket.ts'

/** Changes (and messages) a peer may send: twice what a sender of ours ever does, and five seconds of it at once. */
const CHANGE_BUDGET = { burst: 200_000, perSecond: 40_000 }

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'snapshot'; readonly count: number }
  | { readonly kind: 'live'; readonly inventory: Inventory }

export class InventoryReceiver {
  readonly #budget = new TokenBucket(CHANGE_BUDGET)
  #state: State = { kind: 'waiting' }
  // Grows with what has arrived, not with what was promised.
  #received = new Uint32Array(0)
  #receivedCount = 0

  /** Undefined until the snapshot is complete. */
  get inventory(): Inventory | undefined {
    return this.#state.kind === 'live' ? this.#state.inventory : undefined
  }

  /** Memory that this stream's list takes so far. */
  get bytes(): number {
    return this.#received.byteLength + (this.inventory?.bytes ?? 0)
  }

  /** Has begun, and not ended, to tell what it holds. */
  get isInSnapshot(): boolean {
    return this.#state.kind === 'snapshot'
  }

  /** @throws CatalogError PEER_MISBEHAVED, after which the stream is to be aborted */
  accept(message: InventoryMessage, nowMs: number): void {
    switch (message.type) {
      case 'snapshot':
        if (this.#state.kind !== 'waiting') throw misbehaved('a second inventory snapshot')
        this.#state = { kind: 'snapshot', count: message.count }
        return
      case 'part':
        this.#acceptPart(message.prefixes)
        return
      case 'end':
        this.#acceptEnd()
        return
      case 'have':
      case 'lost':
        this.#acceptChanges(message.prefixes, message.type === 'have', nowMs)
        return
      case 'alive':
        this.#spend(1, nowMs)
        return
      default:
        message satisfies never
    }
  }

  #acceptPart(prefixes: Uint32Array): void {
    if (this.#state.kind !== 'snapshot') throw misbehaved('inventory part outside a snapshot')
    const total = this.#receivedCount + prefixes.length
    if (total > this.#state.count) throw misbehaved('more prefixes than the snapshot promised')
    if (!isAscending(prefixes, this.#received[this.#receivedCount - 1])) {
      throw misbehaved('inventory snapshot is not sorted')
    }
    if (total > this.#received.length) {
      const capacity = Math.min(this.#state.count, Math.max(total, 2 * this.#received.length))
      const grown = new Uint32Array(capacity)
      grown.set(this.#received.subarray(0, this.#receivedCount))
      this.#received = grown
    }
    this.#received.set(prefixes, this.#receivedCount)
    this.#receivedCount = total
  }

  #acceptEnd(): void {
    if (this.#state.kind !== 'snapshot') throw misbehaved('inventory end outside a snapshot')
    if (this.#receivedCount !== this.#state.count) {
      throw misbehaved(`${this.#receivedCount} of ${this.#state.count} promised prefixes`)
    }
    // Full by now, so nothing but the prefixes themselves is kept.
    this.#state = { kind: 'live', inventory: new Inventory(this.#received) }
    this.#received = new Uint32Array(0)
  }

  #acceptChanges(prefixes: Uint32Array, isHeld: boolean, nowMs: number): void {
    if (this.#state.kind !== 'live') throw misbehaved('inventory change before the snapshot')
    this.#spend(1 + prefixes.length, nowMs)
    const { inventory } = this.#state
    for (const prefix of prefixes) {
      if (isHeld) inventory.add(prefix)
      else inventory.remove(prefix)
    }
    if (inventory.size > MAX_INVENTORY_PREFIXES) throw misbehaved('an inventory that is too large')
  }

  #spend(cost: number, nowMs: number): void {
    if (!this.#budget.take(cost, nowMs)) throw misbehaved('too many inventory changes')
  }
}

function isAscending(prefixes: Uint32Array, before: number | undefined): boolean {
  let last = before ?? -1
  for (const prefix of prefixes) {
    if (prefix <= last) return false
    last = prefix
  }
  return true
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', what)
}
