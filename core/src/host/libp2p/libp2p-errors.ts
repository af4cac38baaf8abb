/**
 * libp2p's errors in our terms. It has classes but no codes, so here, and only here, names and messages are compared.
 */
import { CatalogError, isCatalogError, type ErrorCode } from '../../errors.ts'

const CODES: Readonly<Record<string, ErrorCode>> = {
  UnsupportedProtocolError: 'PEER_REFUSED',
  DialDeniedError: 'PEER_REFUSED',
  ConnectionInterceptedError: 'PEER_REFUSED',
  TooManyOutboundProtocolStreamsError: 'PEER_BUSY',
  NotStartedError: 'NODE_STOPPED',
}

/** Abort comes first: the caller gets its own reason, untouched. */
export function toHostError(error: unknown, peer: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof CatalogError) return error
  const name = error instanceof Error ? error.name : ''
  const message = error instanceof Error ? error.message : String(error)
  return new CatalogError(CODES[name] ?? 'PEER_UNREACHABLE', `${peer}: ${message}`, {
    peer,
    cause: error,
  })
}

/**
 * Another socket listens there: from Node (TCP), or from the QUIC binding, which passes on the system's own words, inside
 * libp2p's error.
 */
export function isAddressInUse(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (
      /EADDRINUSE|address already in use|only one usage of each socket address/i.test(each.message)
    )
      return true
  }
  return false
}

/** Why the node does not start. */
export function toStartError(error: unknown): CatalogError {
  if (isCatalogError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new CatalogError('HOST_FAILED', `the network did not start: ${message}`, { cause: error })
}
