/**
 * An invite as text: one line to send to somebody, with a secret that a machine of the swarm knows, and where that machine is. Not
 * the swarm's key: that is handed over by the machine itself, over an authenticated connection, and only as often as it allows.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { CatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import { INVITE_SECRET_BYTES } from './joining.ts'

export interface Invite {
  readonly secret: Uint8Array
  /** Who has given it, and answers it. */
  readonly peer: PeerId
  /** Multiaddrs without the peer id, the best first. */
  readonly addresses: readonly string[]
  /** Unix time. */
  readonly untilMs: number
}

const PREFIX = 'catalog-invite-1:'
const MAX_CHARS = 4096
const MAX_ADDRESSES = 6

/** Secret, peer id, seconds of Unix time, addresses. */
const schema = z.tuple([
  z.base64url().length(Math.ceil((INVITE_SECRET_BYTES * 8) / 6)),
  z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,128}$/),
  z.number().int().nonnegative().max(8_640_000_000_000),
  z
    .array(z.string().regex(/^\/[!-~]{1,200}$/))
    .min(1)
    .max(MAX_ADDRESSES),
])

export function createInviteSecret(): Uint8Array {
  return randomBytes(INVITE_SECRET_BYTES)
}

export function inviteToText({ secret, peer, addresses, untilMs }: Invite): string {
  const body: z.input<typeof schema> = [
    Buffer.from(secret).toString('base64url'),
    peer,
    Math.floor(untilMs / 1000),
    addresses.slice(0, MAX_ADDRESSES),
  ]
  return PREFIX + Buffer.from(JSON.stringify(body)).toString('base64url')
}

/** @throws CatalogError INVALID_OPTIONS, which does not repeat the text */
export function parseInvite(text: string): Invite {
  const line = text.replace(/\s/g, '')
  if (!line.startsWith(PREFIX)) throw invalid(`it begins with ${PREFIX}`)
  if (line.length > MAX_CHARS) throw invalid('it is too long')
  try {
    const json = Buffer.from(line.slice(PREFIX.length), 'base64url').toString('utf8')
    const [secret, peer, seconds, addresses] = schema.parse(JSON.parse(json))
    const untilMs = seconds * 1000
    return { secret: Buffer.from(secret, 'base64url'), peer, addresses, untilMs }
  } catch {
    // What stands in it is a secret, and the reason would repeat a part.
    throw invalid('it is not whole')
  }
}

function invalid(problem: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `not an invite: ${problem}`, {
    hint: 'copy the whole line once more, or have a member make another one (catalog swarm invite)',
  })
}
