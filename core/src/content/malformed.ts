/**
 * The error for bytes or fields that are not what their format says. It does not say whose fault that is: a codec that reads
 * what a peer has sent turns it into PEER_MISBEHAVED, a reader of our own files does not.
 */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}
