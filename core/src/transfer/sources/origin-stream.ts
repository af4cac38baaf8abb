/**
 * Bytes from an origin (the HTTP registry): small ones are collected and verified before anyone sees them, large ones go
 * through an assembly, readable as they arrive except for the end, which waits for the digest. Nothing here waits longer
 * than its signal, whatever the origin does.
 */
import { digestOf, type Digest } from '../../content/digest.ts'
import type { Origin } from '../../api.ts'
import { CatalogError } from '../../errors.ts'
import type { Assembly } from '../chunks/assembly.ts'

/** Collected in memory up to here when the origin does not say how long it is. */
const MAX_UNSIZED_BYTES = 256 * 1024 * 1024

export interface OriginStream {
  readonly kind: 'stream'
  /** Bytes. */
  readonly size: number
  readonly body: AsyncIterable<Uint8Array>
}

export type OriginResult = { readonly kind: 'whole'; readonly bytes: Uint8Array } | OriginStream

/**
 * Opens the origin; a small artifact is read to its end and verified.
 * @throws the origin's own error, or CatalogError DIGEST_MISMATCH, UPSTREAM_REJECTED, UPSTREAM_UNREACHABLE
 */
export async function openOrigin(
  origin: Origin,
  digest: Digest,
  options: { smallBytes: number; signal: AbortSignal },
): Promise<OriginResult> {
  const { smallBytes, signal } = options
  const opened = await origin.open({ signal })
  const { size } = opened
  if (size !== undefined && size > smallBytes) {
    return { kind: 'stream', size, body: untilAborted(opened.body, signal) }
  }
  const bytes = await collect(opened.body, size, signal)
  const got = digestOf(bytes)
  if (got === digest) return { kind: 'whole', bytes }
  throw new CatalogError('DIGEST_MISMATCH', 'the registry sent other bytes than the digest names', {
    expected: digest,
    got,
    hint: 'the lockfile and the registry disagree: check which of them changed',
  })
}

/** Ends with `signal.reason` though the body itself may not heed it, without a generator for each. */
function collect(
  body: AsyncIterable<Uint8Array>,
  size: number | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
      close(iterator)
    }
    const onAbort = (): void => fail(signal.reason)
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    readToEnd(iterator, size).then((bytes) => {
      signal.removeEventListener('abort', onAbort)
      resolve(bytes)
    }, fail)
  })
}

async function readToEnd(
  iterator: AsyncIterator<Uint8Array>,
  size: number | undefined,
): Promise<Uint8Array> {
  const limit = size ?? MAX_UNSIZED_BYTES
  const parts: Uint8Array[] = []
  let length = 0
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    const { value } = next
    length += value.byteLength
    if (length > limit) {
      throw new CatalogError('UPSTREAM_REJECTED', `the registry sent more than ${limit} bytes`)
    }
    parts.push(value)
  }
  if (size !== undefined && length < size) throw endedEarly(size, length)
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, length)
}

/** Not awaited: a generator that is stuck in its next() would not come back from its return() either. */
function close(iterator: AsyncIterator<Uint8Array>): void {
  iterator.return?.().catch(() => undefined) // we have what we wanted, or an error of our own
}

/** Feeds an assembly to its end. @throws CatalogError UPSTREAM_UNREACHABLE when the body ends early */
export async function feedAssembly(
  assembly: Assembly,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  let length = 0
  for await (const bytes of body) {
    length += bytes.byteLength
    await assembly.append(bytes)
  }
  if (length < assembly.geometry.size) throw endedEarly(assembly.geometry.size, length)
  await assembly.verified
}

/** The same bytes; ends with `signal.reason` though the body itself may not heed it. */
async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  // One promise a read: racing them all against one for the signal would keep every read alive.
  let rejectRead: ((reason: unknown) => void) | undefined
  const read = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      rejectRead = reject
      iterator.next().then(resolve, reject)
    })
  const onAbort = (): void => rejectRead?.(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  let ended = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await read()
      if (next.done === true) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (!ended) close(iterator)
  }
}

function endedEarly(expected: number, got: number): CatalogError {
  return new CatalogError('UPSTREAM_UNREACHABLE', 'the registry ended the answer early', {
    expected,
    got,
    hint: 'try again; if it keeps happening, look at the network between here and the registry',
  })
}
