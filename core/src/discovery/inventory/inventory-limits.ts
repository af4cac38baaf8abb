/**
 * What the inventories of all peers together may take of memory and of processor time, and those of one address. Each peer has
 * bounds of its own below these (inventory.ts, inventory-receiver.ts), and breaks the protocol when it exceeds them; to be over
 * these is nobody's fault. Pure. docs/operating.md, section Limits
 */
import type { PaceLimits } from '../../limits/fair-pace.ts'
import type { ShareLimits } from '../../limits/fair-share.ts'
import type { InventoryMessage } from '../../wire/inventory-messages.ts'

const MiB = 1024 * 1024
/** A prefix of a snapshot costs so much less than a change. */
const PREFIXES_PER_CHANGE = 16

export interface InventoryLimits {
  /** In bytes. */
  readonly memory: ShareLimits
  /** In changes. */
  readonly pace: PaceLimits
}

export const INVENTORY_LIMITS: InventoryLimits = {
  memory: { total: 64 * MiB, ofGroup: () => 16 * MiB },
  pace: {
    total: { perSecond: 80_000, burst: 400_000 },
    // More than the 40,000 that are one peer's, which is then the first bound that it meets.
    ofGroup: { perSecond: 60_000, burst: 300_000 },
  },
}

/** What a message takes of the pace. */
export function costOf(message: InventoryMessage): number {
  if (!('prefixes' in message)) return 1
  const { length } = message.prefixes
  return message.type === 'part' ? Math.ceil(length / PREFIXES_PER_CHANGE) : 1 + length
}
