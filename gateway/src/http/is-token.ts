/** Whether a secret that a client shows is the one that is meant: in equal time, whatever is given. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto'

export function isToken(token: string, given: string | string[] | undefined): boolean {
  return typeof given === 'string' && timingSafeEqual(sha256(given), sha256(token))
}

// Equal lengths, as timingSafeEqual needs, and nothing learned from a difference.
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
