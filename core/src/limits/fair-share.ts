/**
 * One bounded resource (connections, bytes, rows) shared by address groups: no group has more than its own bound, all together
 * have no more than the total, and the member with the most is the first to lose some. So an attacker with many ids pays
 * with them, and a new peer gets in.
 *
 * It is bookkeeping only: it frees nothing; making the offender give way is the owner's task. Pure.
 */
import type { AddressGroup } from './address-group.ts'

export interface ShareLimits {
  readonly total: number
  readonly ofGroup: (group: AddressGroup) => number
}

/** What one member has taken. */
export interface Holding {
  readonly amount: number
  /** Takes so much more, or gives it back when negative. Without effect once released. */
  add(amount: number): void
  /** Gives back everything, for good. */
  release(): void
}

interface Held<Member> extends Holding {
  readonly member: Member
}

interface Group<Member> {
  readonly limit: number
  /** In the order in which they came. */
  readonly holdings: Set<Held<Member>>
  amount: number
}

export class FairShare<Member> {
  readonly #limits: ShareLimits
  /** In the order in which they came. */
  readonly #groups = new Map<AddressGroup, Group<Member>>()
  readonly #overfull = new Set<Group<Member>>()
  #total = 0

  constructor(limits: ShareLimits) {
    this.#limits = limits
  }

  get total(): number {
    return this.#total
  }

  amountOf(group: AddressGroup): number {
    return this.#groups.get(group)?.amount ?? 0
  }

  /** A member that has taken nothing yet. */
  open(member: Member, name: AddressGroup): Holding {
    const group = this.#groups.get(name) ?? this.#found(name)
    let amount = 0
    const held: Held<Member> = {
      member,
      get amount() {
        return amount
      },
      add: (more) => {
        if (!group.holdings.has(held)) return
        amount += more
        this.#change(group, more)
      },
      release: () => {
        if (!group.holdings.delete(held)) return
        this.#change(group, -amount)
        amount = 0
        if (group.holdings.size === 0 && this.#groups.get(name) === group) this.#groups.delete(name)
      },
    }
    group.holdings.add(held)
    return held
  }

  /**
   * Who has to give way now, undefined while all bounds are kept. In a group over its own bound, else in the group that has
   * the largest part of what it may have, the member with the most; of equals the one that came last, so that the oldest stay.
   */
  offender(): Member | undefined {
    const [overfull] = this.#overfull
    if (overfull === undefined && this.#total <= this.#limits.total) return undefined
    const group = overfull ?? most(this.#groups.values(), ({ amount, limit }) => amount / limit)
    return group && most(group.holdings, ({ amount }) => amount)?.member
  }

  #found(name: AddressGroup): Group<Member> {
    const group = {
      limit: this.#limits.ofGroup(name),
      holdings: new Set<Held<Member>>(),
      amount: 0,
    }
    this.#groups.set(name, group)
    return group
  }

  #change(group: Group<Member>, by: number): void {
    this.#total += by
    group.amount += by
    if (group.amount > group.limit) this.#overfull.add(group)
    else this.#overfull.delete(group)
  }
}

/** The last of those with the largest measure. */
function most<Item>(items: Iterable<Item>, measure: (item: Item) => number): Item | undefined {
  let found: Item | undefined
  let largest = -Infinity
  for (const item of items) {
    const size = measure(item)
    if (size < largest) continue
    largest = size
    found = item
  }
  return found
}
