/**
 * Compression of single chunks on the wire, agreed per peer. Never spends CPU on what does not shrink (a .tgz never does:
 * its magic or a 16 KiB sample gives it away), never produces more bytes than the caller said to expect, and keeps work of
 * more than 64 KiB off the event loop. docs/protocol.md, section Compression.
 */
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import type * as Lz4 from 'lz4-napi'
import { MalformedError } from './malformed.ts'

/** How the bytes of a chunk are encoded on the wire. */
export type Encoding = 'none' | 'zstd' | 'lz4' | 'gzip'

/** The wire's number for each. */
export const ENCODING_CODES = {
  none: 0,
  zstd: 1,
  lz4: 2,
  gzip: 3,
} as const satisfies Record<Encoding, number>

/** undefined for a number that we do not know. */
export function encodingOfCode(code: number): Encoding | undefined {
  return (Object.keys(ENCODING_CODES) as Encoding[]).find((name) => ENCODING_CODES[name] === code)
}

// Below this, a trip to the thread pool costs more than the work.
const SYNC_MAX_BYTES = 64 * 1024
const SAMPLE_BYTES = 16 * 1024
// Too small to gain anything worth a decompression.
const MIN_BYTES = 256
const MIN_SAVING = 0.03

let loadingLz4: Promise<typeof Lz4> | undefined
const zstdCompress = promisify(zlib.zstdCompress)
const zstdDecompress = promisify(zlib.zstdDecompress)
const gzip = promisify(zlib.gzip)
const gunzip = promisify(zlib.gunzip)

const level = (value: number): zlib.ZstdOptions => ({
  params: { [zlib.constants.ZSTD_c_compressionLevel]: value },
})
const ZSTD = level(3)
const ZSTD_SAMPLE = level(1)
const GZIP: zlib.ZlibOptions = { level: 4 }

/** The first of `ours` (best first) that the other side understands; `none` is always understood. */
export function negotiateEncoding(
  ours: readonly Encoding[],
  theirs: readonly Encoding[],
): Encoding {
  return ours.find((encoding) => theirs.includes(encoding)) ?? 'none'
}

/** The encoded chunk, or undefined when it does not shrink by at least 3%: send it as it is then. */
export async function compressChunk(
  encoding: Encoding,
  bytes: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (encoding === 'none' || bytes.byteLength < MIN_BYTES || looksIncompressible(bytes)) {
    return undefined
  }
  const encoded = await encode(encoding, bytes)
  return worthwhile(encoded.byteLength, bytes.byteLength) ? encoded : undefined
}

/**
 * The decoded chunk, exactly `expectedBytes` long.
 * @throws MalformedError for anything else; no more than `expectedBytes` are ever produced
 */
export async function decompressChunk(
  encoding: Encoding,
  bytes: Uint8Array,
  expectedBytes: number,
): Promise<Uint8Array> {
  if (encoding === 'none') return checkLength(bytes, expectedBytes)
  if (expectedBytes < 1) throw malformed(encoding, 'an empty chunk is never compressed')
  let decoded: Uint8Array
  try {
    decoded = await decode(encoding, bytes, expectedBytes)
  } catch (error) {
    throw malformed(encoding, error instanceof Error ? error.message : String(error), error)
  }
  return checkLength(decoded, expectedBytes)
}

async function encode(encoding: Exclude<Encoding, 'none'>, bytes: Uint8Array): Promise<Uint8Array> {
  const small = bytes.byteLength <= SYNC_MAX_BYTES
  switch (encoding) {
    case 'zstd':
      return small ? zlib.zstdCompressSync(bytes, ZSTD) : zstdCompress(bytes, ZSTD)
    case 'gzip':
      return small ? zlib.gzipSync(bytes, GZIP) : gzip(bytes, GZIP)
    case 'lz4': {
      const lz4 = await loadLz4()
      return small ? lz4.compressSync(asBuffer(bytes)) : lz4.compress(bytes)
    }
  }
}

async function decode(
  encoding: Exclude<Encoding, 'none'>,
  bytes: Uint8Array,
  expectedBytes: number,
): Promise<Uint8Array> {
  const small = expectedBytes <= SYNC_MAX_BYTES
  const bound = { maxOutputLength: expectedBytes }
  switch (encoding) {
    case 'zstd':
      return small ? zlib.zstdDecompressSync(bytes, bound) : zstdDecompress(bytes, bound)
    case 'gzip':
      return small ? zlib.gunzipSync(bytes, bound) : gunzip(bytes, bound)
    case 'lz4': {
      // The block says in front how much it will give, and the library allocates that: believe it only if it is what we expect.
      if (bytes.byteLength < 4 || asBuffer(bytes).readUInt32LE(0) !== expectedBytes) {
        throw new RangeError('its length is not what was expected')
      }
      const lz4 = await loadLz4()
      return small ? lz4.uncompressSync(bytes) : lz4.uncompress(bytes)
    }
  }
}

/** Native code, which takes 10 ms of every start; peers that know zstd never ask for it. */
function loadLz4(): Promise<typeof Lz4> {
  return (loadingLz4 ??= import('lz4-napi'))
}

function looksIncompressible(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return true
  if (bytes.byteLength < 2 * SAMPLE_BYTES) return false
  const start = (bytes.byteLength - SAMPLE_BYTES) >>> 1
  const sample = bytes.subarray(start, start + SAMPLE_BYTES)
  return !worthwhile(zlib.zstdCompressSync(sample, ZSTD_SAMPLE).byteLength, SAMPLE_BYTES)
}

function worthwhile(encodedBytes: number, plainBytes: number): boolean {
  return encodedBytes <= plainBytes * (1 - MIN_SAVING)
}

function checkLength(bytes: Uint8Array, expectedBytes: number): Uint8Array {
  if (bytes.byteLength === expectedBytes) return bytes
  throw new MalformedError(`chunk of ${bytes.byteLength} bytes, ${expectedBytes} expected`)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function malformed(encoding: Encoding, what: string, cause?: unknown): MalformedError {
  return new MalformedError(`bad ${encoding} chunk: ${what}`, { cause })
}
