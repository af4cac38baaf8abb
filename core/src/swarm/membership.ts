/**
 * Proof of membership in a private swarm, as hosts ask for it of every new connection. Three messages, so that the dialer
 * waits for one round trip and the listener for one:
 *
 *   dialer    hello: what for, its nonce
 *   listener  its nonce, and a proof under each key that it knows (two while keys change)
 *   dialer    which of them it knows too, and its own proof under that key
 *
 * It never says which swarm this is: what an outsider gets are random bytes and bytes that only a member can tell from
 * random ones. docs/protocol.md, section Private swarms
 */
import { randomBytes } from 'node:crypto'
import { CatalogError } from '../errors.ts'
import type { ByteStream, Meeting, Membership } from '../host/host.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import { encodeFrame } from '../wire/frames.ts'
import { NONCE_BYTES, openProof, sealProof, type ProofContext } from './proof.ts'
import { createFrameSource, type FrameSource } from './frame-source.ts'
import type { SwarmKey } from './swarm-key.ts'

const VERSION = 1
const PURPOSE_MEMBER = 0
/** While keys change there are two; more are a mistake. */
export const MAX_KEYS = 4
const MAX_CREDENTIAL_BYTES = 8 * 1024
export const MAX_MESSAGE_BYTES = MAX_KEYS * (MAX_CREDENTIAL_BYTES + 64)

const NOTHING = new Uint8Array()

export interface SwarmSecrets {
  /** What proves membership now, the newest first: one to four. */
  readonly keys: () => readonly SwarmKey[]
}

export function createMembership(secrets: SwarmSecrets): Membership {
  return {
    async prove(stream, meeting, { signal }) {
      const abort = (): void => stream.abort(toError(signal.reason))
      signal.throwIfAborted()
      signal.addEventListener('abort', abort, { once: true })
      const frames = createFrameSource(stream.source, MAX_MESSAGE_BYTES)
      try {
        if (meeting.role === 'dialer') await proveAsDialer(secrets, stream, frames, meeting)
        else await proveAsListener(secrets, stream, frames, meeting)
      } catch (error) {
        stream.abort(toError(error))
        throw error
      } finally {
        signal.removeEventListener('abort', abort)
      }
      // What was written leaves; nothing more is read.
      stream.end().catch(() => undefined)
    },
  }
}

async function proveAsDialer(
  { keys }: SwarmSecrets,
  stream: ByteStream,
  frames: FrameSource,
  { self, peer }: Meeting,
): Promise<void> {
  const dialerNonce = randomBytes(NONCE_BYTES)
  const hello = new FieldWriter().u8(VERSION).u8(PURPOSE_MEMBER).bytes(dialerNonce).toBytes()
  await stream.write(encodeFrame(hello))
  const { listenerNonce, proofs } = decodeProofs(await frames.next())
  const context = contextOf({ dialer: self, listener: peer, dialerNonce, listenerNonce })
  for (const key of keys()) {
    const index = proofs.findIndex((proof) => openProof(key, context, LISTENER, proof))
    if (index < 0) continue
    const proof = sealProof(key, context, DIALER, NOTHING)
    await stream.write(encodeFrame(new FieldWriter().u8(index).bytes(proof).toBytes()))
    return
  }
  throw outsider()
}

async function proveAsListener(
  { keys }: SwarmSecrets,
  stream: ByteStream,
  frames: FrameSource,
  { self, peer }: Meeting,
): Promise<void> {
  const hello = new FieldReader(await frames.next())
  if (hello.u8() !== VERSION || hello.u8() !== PURPOSE_MEMBER) throw outsider()
  const dialerNonce = Buffer.from(hello.bytes(NONCE_BYTES))
  hello.end()
  const listenerNonce = randomBytes(NONCE_BYTES)
  const context = contextOf({ dialer: peer, listener: self, dialerNonce, listenerNonce })
  const offered = keys().slice(0, MAX_KEYS)
  const message = new FieldWriter().bytes(listenerNonce).u8(offered.length)
  for (const key of offered) {
    const proof = sealProof(key, context, LISTENER, NOTHING)
    message.u16(proof.byteLength).bytes(proof)
  }
  await stream.write(encodeFrame(message.toBytes()))
  const answer = new FieldReader(await frames.next())
  const key = offered[answer.u8()]
  const proof = answer.bytes(answer.remaining)
  if (key === undefined || openProof(key, context, DIALER, proof) === undefined) throw outsider()
}

const DIALER = { role: 'dialer', step: 'proof' } as const
const LISTENER = { role: 'listener', step: 'proof' } as const

function contextOf(parts: Omit<ProofContext, 'purpose'>): ProofContext {
  return { purpose: 'member', ...parts }
}

function decodeProofs(body: Uint8Array): { listenerNonce: Uint8Array; proofs: Uint8Array[] } {
  const reader = new FieldReader(body)
  const listenerNonce = Buffer.from(reader.bytes(NONCE_BYTES))
  const count = reader.u8()
  if (count > MAX_KEYS) throw outsider()
  const proofs = Array.from({ length: count }, () => reader.bytes(reader.u16()))
  reader.end()
  return { listenerNonce, proofs }
}

function outsider(): CatalogError {
  return new CatalogError('PEER_REFUSED', 'the peer is not of our private swarm', {
    hint: 'both machines need the same swarm: `catalog swarm members` on one of them, `catalog swarm join` on the other',
  })
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
