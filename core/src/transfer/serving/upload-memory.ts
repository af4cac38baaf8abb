/**
 * Bounds the bytes read for answers that are still on their way: per peer, per address group and in total. Readers that take
 * nothing must not make us hold a chunk per request, and a peer id costs nothing. Beyond the bound the answer is BUSY, never
 * a wait, so that an honest asker turns to another peer at once.
 */
import type { PeerId } from '../../host/host.ts'
import type { AddressGroup } from '../../limits/address-group.ts'

/** Share of the total that one address group may take. */
const GROUP_PART = 1 / 2

/** The peer that is answered, and its address group. */
export interface Reader {
  readonly peer: PeerId
  readonly group: AddressGroup
}

export interface UploadMemory {
  /** `act` with so many bytes held; 'busy' when they are not to be had. */
  hold<T>(reader: Reader, bytes: number, act: () => Promise<T>): Promise<T | 'busy'>
}

export function createUploadMemory(options: {
  maxBytes: number
  maxBytesPerPeer: number
}): UploadMemory {
  const { maxBytes, maxBytesPerPeer } = options
  const peers = new Map<PeerId, number>()
  const groups = new Map<AddressGroup, number>()
  let held = 0

  function take({ peer, group }: Reader, bytes: number): void {
    add(peers, peer, bytes)
    add(groups, group, bytes)
    held += bytes
  }

  return {
    async hold(reader, bytes, act) {
      const isTooMuch = (already: number, max: number): boolean =>
        already > 0 && already + bytes > max
      if (isTooMuch(held, maxBytes)) return 'busy'
      if (isTooMuch(groups.get(reader.group) ?? 0, maxBytes * GROUP_PART)) return 'busy'
      if (isTooMuch(peers.get(reader.peer) ?? 0, maxBytesPerPeer)) return 'busy'
      take(reader, bytes)
      try {
        return await act()
      } finally {
        take(reader, -bytes)
      }
    },
  }
}

function add(amounts: Map<string, number>, key: string, bytes: number): void {
  const left = (amounts.get(key) ?? 0) + bytes
  if (left === 0) amounts.delete(key)
  else amounts.set(key, left)
}
