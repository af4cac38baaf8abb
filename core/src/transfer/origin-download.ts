/**
 * Bytes from an origin (the HTTP registry): small ones are collected and verified before anyone sees them, large ones go
 * through an assembly, readable as they arrive except for the end, which waits for the digest.
 */
import { digestOf, type Digest } from '../content/digest.ts'
import type { Origin } from '../api.ts'
import { CatalogError } from '../errors.ts'
import type { Assembly } from './assembly.ts'

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
 * @throws the origin's own error, or CatalogError DIGEST_MISMATCH
 */
export async function openOrigin(
  origin: Origin,
  digest: Digest,
  options: { smallBytes: number; signal: AbortSignal },
): Promise<OriginResult> {
  const { size, body } = await origin.open({ signal: options.signal })
  if (size !== undefined && size > options.smallBytes) return { kind: 'stream', size, body }
  const bytes = await collect(body, size)
  const got = digestOf(bytes)
  if (got === digest) return { kind: 'whole', bytes }
  throw new CatalogError('DIGEST_MISMATCH', 'the registry sent other bytes than the digest names', {
    expected: digest,
    got,
    hint: 'the lockfile and the registry disagree: check which of them changed',
  })
}

async function collect(
  body: AsyncIterable<Uint8Array>,
  size: number | undefined,
): Promise<Uint8Array> {
  const limit = size ?? MAX_UNSIZED_BYTES
  const parts: Uint8Array[] = []
  let length = 0
  for await (const bytes of body) {
    length += bytes.byteLength
    if (length > limit) {
      throw new CatalogError('UPSTREAM_REJECTED', `the registry sent more than ${limit} bytes`)
    }
    parts.push(bytes)
  }
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, length)
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
  if (length < assembly.manifest.size) {
    throw new CatalogError('UPSTREAM_UNREACHABLE', 'the registry ended the answer early', {
      expected: assembly.manifest.size,
      got: length,
      hint: 'try again; if it keeps happening, look at the network between here and the registry',
    })
  }
  await assembly.verified
}
