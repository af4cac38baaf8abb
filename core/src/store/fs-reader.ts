/**
 * Reads files of artifacts and hashes them. Checks lengths, never contents (except `hashFile`, which is for contents); holds
 * at most one piece of 1 MiB while hashing, so that the event loop is never blocked for more than about 2 ms.
 */
import { createDigester, type Digest } from '../content/digest.ts'
import type { OpenFile, StoreFiles } from './fs-files.ts'

const PIECE_BYTES = 1024 * 1024

/** The file is not as long as it should be. */
export class WrongSizeError extends Error {
  override readonly name = 'WrongSizeError'
}

export interface FileRange {
  readonly start: number
  readonly end: number
  /** What the whole file must have, bytes. */
  readonly fileSize: number
}

/** @throws WrongSizeError, or Node's error (ENOENT, EIO, ...) */
export async function readRange(
  files: StoreFiles,
  path: string,
  range: FileRange,
): Promise<Uint8Array> {
  const { start, end, fileSize } = range
  const file = await files.open(path, 'read')
  try {
    // Reading to the end asks for one byte more: that tells the size without a call for it.
    const toEnd = end === fileSize
    if (!toEnd) await checkSize(file, fileSize)
    const buffer = Buffer.allocUnsafeSlow(end - start + Number(toEnd))
    const count = await fill(file, buffer, start, end - start)
    if (count !== end - start) throw new WrongSizeError(`${count} of ${end - start} bytes`)
    return buffer.subarray(0, end - start)
  } finally {
    await file.close()
  }
}

/** Digest and size of a whole file. */
export async function hashFile(
  files: StoreFiles,
  path: string,
  signal?: AbortSignal,
): Promise<{ digest: Digest; size: number }> {
  const file = await files.open(path, 'read')
  try {
    const digester = createDigester()
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES)
    let size = 0
    for (;;) {
      signal?.throwIfAborted()
      const count = await fill(file, buffer, size)
      digester.update(buffer.subarray(0, count))
      size += count
      if (count < buffer.byteLength) return { digest: digester.digest(), size }
    }
  } finally {
    await file.close()
  }
}

/**
 * Fills `buffer` from `position` on; fewer bytes than it holds mean the end of the file. A read that ends after exactly
 * `expected` bytes is taken at its word: asking again only to hear that there is nothing costs a call for each artifact.
 */
export async function fill(
  file: OpenFile,
  buffer: Buffer,
  position: number,
  expected = buffer.byteLength,
): Promise<number> {
  let filled = 0
  while (filled < buffer.byteLength && filled !== expected) {
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

async function checkSize(file: OpenFile, expected: number): Promise<void> {
  const { size } = await file.stat()
  if (size !== expected) throw new WrongSizeError(`${size} bytes, ${expected} expected`)
}
