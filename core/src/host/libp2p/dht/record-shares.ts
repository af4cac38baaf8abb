/**
 * Which peers the DHT's records belong to, and which record is dropped when there are too many: one of the peer that exceeds
 * its own bound, else of the address group with the most, and always the oldest. Its owner, if it still has the artifact,
 * announces it again. Bookkeeping in memory; datastore.ts keeps the rows.
 */
import type { AddressGroup } from '../../../limits/address-group.ts'
import { FairShare, type Holding } from '../../../limits/fair-share.ts'

export interface RecordLimits {
  readonly total: number
  readonly perGroup: number
  readonly perOwner: number
}

export const RECORD_LIMITS: RecordLimits = { total: 250_000, perGroup: 50_000, perOwner: 25_000 }

interface Owner {
  readonly group: AddressGroup
  readonly holding: Holding
}

export class RecordShares {
  readonly #limits: RecordLimits
  readonly #share: FairShare<string>
  readonly #owners = new Map<string, Owner>()

  constructor(limits: RecordLimits) {
    this.#limits = limits
    this.#share = new FairShare({ total: limits.total, ofGroup: () => limits.perGroup })
  }

  /** The group that an owner's rows count for: where it was when its first one came. */
  groupOf(owner: string): AddressGroup | undefined {
    return this.#owners.get(owner)?.group
  }

  add(owner: string, group: AddressGroup, rows: number): void {
    let known = this.#owners.get(owner)
    if (known === undefined) {
      known = { group, holding: this.#share.open(owner, group) }
      this.#owners.set(owner, known)
    }
    known.holding.add(rows)
  }

  remove(owner: string, rows: number): void {
    const known = this.#owners.get(owner)
    if (known === undefined) return
    known.holding.add(-rows)
    if (known.holding.amount > 0) return
    known.holding.release()
    this.#owners.delete(owner)
  }

  /** The owner that loses a row after `owner` has got one; undefined while all bounds are kept. */
  offender(owner: string): string | undefined {
    const amount = this.#owners.get(owner)?.holding.amount ?? 0
    return amount > this.#limits.perOwner ? owner : this.#share.offender()
  }
}
