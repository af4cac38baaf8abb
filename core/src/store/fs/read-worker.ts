/**
 * Thread that reads small files whole, and hashes those that do not look as they did when they were last hashed; large ones
 * it hashes piece by piece, in between. One message there and back with four quick calls between costs a third of what the
 * calls through the thread pool cost, and an install reads a thousand. It decides nothing else: dropping an artifact is up to the caller.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { createDigester, digestOf } from '../../content/digest.ts'
import { errnoOf } from '../../disk/errno.ts'
import { systemClock } from '../../timing/clock.ts'
import { fingerprintOf } from './file-fingerprint.ts'
import type { Expected, HashedFile, VerifiedBytes } from './reader.ts'
import { fillSync, READ_FLAGS, readMarkedSync, withFileSync } from './read-sync.ts'

export interface ReadRequest extends Expected {
  readonly id: number
  readonly path: string
}

export interface HashRequest {
  readonly id: number
  readonly hash: string
}

export type ReadReply =
  | ({ readonly id: number; readonly tookMs: number } & Whole)
  | { readonly id: number; readonly file: HashedFile }
  /** Of Node's; a message between threads loses an error's code. */
  | { readonly id: number; readonly error: { message: string; code: string | undefined } }
  | { readonly id: number; readonly damaged: string }

type Whole = VerifiedBytes & { readonly bytes: Uint8Array<ArrayBuffer> }

/** Replies that leave together; the first of a long batch must not wait for the last. */
const REPLY_BYTES = 256 * 1024
/** Hashed at a time, about 2 ms: what is to be read meanwhile waits no longer. */
const PIECE_BYTES = 1024 * 1024

function readOne(request: ReadRequest): ReadReply {
  const { id, path } = request
  const startedMs = systemClock.now()
  try {
    const found = withFileSync(path, (file) => readExpected(file, request))
    return { id, tookMs: systemClock.now() - startedMs, ...found }
  } catch (error) {
    return { id, error: toReply(error) }
  }
}

function readExpected(file: number, { digest, size, mark }: Expected): Whole | { damaged: string } {
  const first = readMarkedSync(file, size)
  if ('damaged' in first) return first
  if (first.mark === mark) return { bytes: first.bytes }
  // Again: only what a file looked like before and after tells that it did not change in between.
  const again = readMarkedSync(file, size)
  if ('damaged' in again) return again
  if (digestOf(again.bytes) !== digest) return { damaged: 'other bytes' }
  const hashed = { mark: again.mark === first.mark ? again.mark : undefined }
  return { bytes: again.bytes, hashed }
}

async function hashOne({ id, hash }: HashRequest): Promise<ReadReply> {
  try {
    const file = openSync(hash, READ_FLAGS)
    try {
      return { id, file: await hashOpen(file) }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return { id, error: toReply(error) }
  }
}

async function hashOpen(file: number): Promise<HashedFile> {
  const stats = fstatSync(file, { bigint: true })
  const before = fingerprintOf(stats)
  const digester = createDigester()
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Number(stats.size) + 1))
  for (let size = 0; ; await turn()) {
    const count = fillSync(file, buffer, size)
    digester.update(buffer.subarray(0, count))
    size += count
    if (count === buffer.byteLength) continue
    const after = fingerprintOf(fstatSync(file, { bigint: true }))
    return { digest: digester.digest(), size, mark: before === after ? after : undefined }
  }
}

function toReply(error: unknown): { message: string; code: string | undefined } {
  return { message: String(error), code: errnoOf(error) }
}

function readAll(requests: readonly ReadRequest[]): void {
  let replies: ReadReply[] = []
  let bytes = 0
  const send = (): void => {
    const buffers = replies.flatMap((reply) => ('bytes' in reply ? [reply.bytes.buffer] : []))
    parentPort?.postMessage(replies, buffers)
    replies = []
    bytes = 0
  }
  for (const request of requests) {
    replies.push(readOne(request))
    bytes += request.size
    if (bytes >= REPLY_BYTES) send()
  }
  if (replies.length > 0) send()
}

// One file after the other: the pieces of many would all come before the next small file.
let hashing: Promise<unknown> = Promise.resolve()

parentPort?.on('message', (request: readonly ReadRequest[] | HashRequest) => {
  if (!('hash' in request)) return readAll(request)
  hashing = hashing.then(async () => parentPort?.postMessage([await hashOne(request)]))
})
