/**
 * Reads and hashes the files of artifacts, and returns what each file looked like meanwhile, for the caller to compare at the
 * next reading. Checks lengths; holds at most one piece of 1 MiB while hashing, so that the event loop is never blocked for
 * more than about 2 ms.
 */
import { createDigester, digestOf, type Digest } from '../../content/digest.ts'
import { fingerprintOf, type FileFingerprint } from './file-fingerprint.ts'
import type { OpenFile, StoreFiles } from './files.ts'

const PIECE_BYTES = 1024 * 1024

/** Not the file that was stored: another length, or other bytes. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError'
}

export interface FileRange {
  readonly start: number
  readonly end: number
  /** What the whole file must have, bytes. */
  readonly fileSize: number
}

/** What a whole file must be. */
export interface Expected {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Of the file when it was last hashed. */
  readonly mark: FileFingerprint | undefined
}

export interface VerifiedBytes {
  readonly bytes: Uint8Array
  /** If they had to be hashed: what the file looked like; no mark: it changed meanwhile, and these bytes alone are vouched for. */
  readonly hashed?: { readonly mark: FileFingerprint | undefined }
}

export interface HashedFile {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Undefined: it has changed meanwhile. */
  readonly mark: FileFingerprint | undefined
}

/** The bytes as they are, for the caller to compare the mark. @throws DamagedFileError, or Node's error (ENOENT, EIO, ...) */
export async function readRange(
  files: StoreFiles,
  path: string,
  range: FileRange,
): Promise<{ bytes: Uint8Array; mark: FileFingerprint }> {
  const file = await files.open(path, 'read')
  try {
    return await readMarked(file, range)
  } finally {
    await file.close()
  }
}

/**
 * The bytes that `expected` names: by the mark of the file, else by their digest.
 * @throws DamagedFileError, or Node's error (ENOENT, EIO, ...)
 */
export async function readWhole(
  files: StoreFiles,
  path: string,
  expected: Expected,
): Promise<VerifiedBytes> {
  const { digest, size } = expected
  const range = { start: 0, end: size, fileSize: size }
  const file = await files.open(path, 'read')
  try {
    const first = await readMarked(file, range)
    if (first.mark === expected.mark) return { bytes: first.bytes }
    // Again: only what a file looked like before and after tells that it did not change in between.
    const { bytes, mark } = await readMarked(file, range)
    if (digestOf(bytes) !== digest) throw new DamagedFileError('other bytes')
    return { bytes, hashed: { mark: mark === first.mark ? mark : undefined } }
  } finally {
    await file.close()
  }
}

/** Digest and size of a whole file. */
export async function hashFile(
  files: StoreFiles,
  path: string,
  signal?: AbortSignal,
): Promise<HashedFile> {
  const file = await files.open(path, 'read')
  try {
    const stats = await file.stat({ bigint: true })
    const before = fingerprintOf(stats)
    const digester = createDigester()
    // A store may have thousands of small ones. A byte more than it has: that it ends there shows with the first read.
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Number(stats.size) + 1))
    for (let size = 0; ;) {
      signal?.throwIfAborted()
      const count = await fill(file, buffer, size)
      digester.update(buffer.subarray(0, count))
      size += count
      if (count === buffer.byteLength) continue
      const after = fingerprintOf(await file.stat({ bigint: true }))
      return { digest: digester.digest(), size, mark: before === after ? after : undefined }
    }
  } finally {
    await file.close()
  }
}

/** Fills `buffer` from `position` on; fewer bytes than it holds mean the end of the file. */
export async function fill(file: OpenFile, buffer: Buffer, position: number): Promise<number> {
  let filled = 0
  while (filled < buffer.byteLength) {
    const { bytesRead } = await file.read(
      buffer,
      filled,
      buffer.byteLength - filled,
      position + filled,
    )
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

/** Looks at the file after it has read it: what was written to it before that shows. */
async function readMarked(
  file: OpenFile,
  { start, end, fileSize }: FileRange,
): Promise<{ bytes: Uint8Array; mark: FileFingerprint }> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  const count = await fill(file, bytes, start)
  const stats = await file.stat({ bigint: true })
  if (stats.size !== BigInt(fileSize) || count !== bytes.byteLength) {
    throw new DamagedFileError(`${stats.size} bytes, ${fileSize} expected`)
  }
  return { bytes, mark: fingerprintOf(stats) }
}
