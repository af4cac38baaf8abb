/** Turns a peer's status into the error that the caller gets. */
import { CatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Status } from '../../wire/transfer-messages.ts'

export function toStatusError(status: Status, peer: PeerId): CatalogError {
  switch (status) {
    case 'not-found':
      return new CatalogError('NOT_FOUND', 'the peer has not got it', { peer })
    case 'busy':
      return new CatalogError('PEER_BUSY', 'the peer is busy', { peer })
    case 'refused':
      return new CatalogError('PEER_REFUSED', 'the peer refused', { peer })
    case 'bad-request':
      return new CatalogError('PEER_REFUSED', 'the peer did not understand the request', { peer })
    case 'cancelled':
      return new CatalogError('PEER_REFUSED', 'the peer cancelled what was not', { peer })
  }
}
