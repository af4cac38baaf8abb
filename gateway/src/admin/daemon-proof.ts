/**
 * How a daemon shows that it is the one that wrote daemon.json, before it is sent the token: its id is no secret, and whoever
 * opens the port of a daemon that has died could say it too. Only a holder of the token can answer a challenge. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const CHALLENGE = /^[\w-]{22,64}$/
/** In front of what is signed, so that nobody gets an answer here that means something elsewhere. */
const PURPOSE = 'catalog-daemon\0'

/** undefined: it is no challenge. */
export function answerChallenge(token: string, challenge: string | null): string | undefined {
  if (challenge === null || !CHALLENGE.test(challenge)) return undefined
  return createHmac('sha256', token).update(PURPOSE).update(challenge).digest('base64url')
}

export function isProof(token: string, challenge: string, proof: string | undefined): boolean {
  const expected = Buffer.from(answerChallenge(token, challenge) ?? '')
  const given = Buffer.from(proof ?? '')
  // Both empty: a challenge that is none.
  if (expected.byteLength === 0 || expected.byteLength !== given.byteLength) return false
  return timingSafeEqual(expected, given)
}
