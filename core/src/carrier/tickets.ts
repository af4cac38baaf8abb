/**
 * What lets a connected peer open carriers to us: a ticket that names it and a key that proves it, told over the connection on which
 * libp2p has proved its id. One per peer, and only for as long as it is connected. It keeps no secret on disk and shows none.
 */
import { randomBytes } from 'node:crypto'
import type { PeerId } from '../host/host.ts'
import type { AddressGroup } from '../limits/address-group.ts'
import { TICKET_BYTES, TICKET_KEY_BYTES } from '../wire/carrier-messages.ts'

export interface Ticket {
  readonly peer: PeerId
  /** Where the peer was when it got it: from elsewhere it is not taken. */
  readonly group: AddressGroup
  readonly bytes: Uint8Array
  readonly key: Uint8Array
}

/** How a ticket is spelled as a PSK identity. */
export function identityOf(ticket: Uint8Array): string {
  return Buffer.from(ticket).toString('hex')
}

export class Tickets {
  readonly #byIdentity = new Map<string, Ticket>()
  readonly #byPeer = new Map<PeerId, Ticket>()

  /** A new one; an older one of the same peer is void. */
  issue(peer: PeerId, group: AddressGroup): Ticket {
    this.forget(peer)
    const ticket = {
      peer,
      group,
      bytes: randomBytes(TICKET_BYTES),
      key: randomBytes(TICKET_KEY_BYTES),
    }
    this.#byIdentity.set(identityOf(ticket.bytes), ticket)
    this.#byPeer.set(peer, ticket)
    return ticket
  }

  find(identity: string): Ticket | undefined {
    return this.#byIdentity.get(identity)
  }

  forget(peer: PeerId): void {
    const ticket = this.#byPeer.get(peer)
    this.#byPeer.delete(peer)
    if (ticket !== undefined) this.#byIdentity.delete(identityOf(ticket.bytes))
  }
}
