/**
 * Which peers are denied, and from where peers last came: a peer that is found out after it has left, or that was refused,
 * still has an address that its next id will come from. Bounded, as ids can be made up.
 */
import { LRUCache } from 'lru-cache'
import type { AddressGroup } from '../../../limits/address-group.ts'
import type { PeerId } from '../../host.ts'

/** Asked with the address group where it is known. */
export type IsDenied = (peer: PeerId, group?: AddressGroup) => boolean

const MAX_PEERS = 5_000

export class PeerGate {
  readonly #groups = new LRUCache<PeerId, AddressGroup>({
    maxSize: MAX_PEERS,
    sizeCalculation: () => 1,
  })
  #isDenied: IsDenied = () => false

  set(isDenied: IsDenied): void {
    this.#isDenied = isDenied
  }

  denies(peer: PeerId, group?: AddressGroup): boolean {
    if (group !== undefined) this.#groups.set(peer, group)
    return this.#isDenied(peer, group ?? this.#groups.get(peer))
  }

  /** Where it came from last. */
  groupOf(peer: PeerId): AddressGroup | undefined {
    return this.#groups.get(peer)
  }
}
