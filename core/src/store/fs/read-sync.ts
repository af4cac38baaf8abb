/** Reads files by synchronous calls, and looks at them afterwards. For threads that may wait; on others prompt-reads.ts says when. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { fingerprintOf, type FileFingerprint } from './file-fingerprint.ts'

/**
 * In a folder that others have filled (a cache of CI) a pipe may stand in a file's place, whose opening would wait for a writer for
 * ever, or a link to somewhere else. Windows knows neither flag: there they are undefined, and count as 0.
 */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

export interface MarkedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly mark: FileFingerprint
}

/** @throws Node's error, or what `work` throws */
export function withFileSync<T>(path: string, work: (file: number) => T): T {
  const file = openSync(path, READ_FLAGS)
  try {
    return work(file)
  } finally {
    closeSync(file)
  }
}

/** Looks at the file after it has read it: what was written to it before that shows. `damaged`: it is of another length. */
export function readMarkedSync(file: number, size: number): MarkedBytes | { damaged: string } {
  // Not zeroed before it is filled; and its own, so that it can be handed to another thread.
  const bytes = Buffer.allocUnsafeSlow(size)
  const filled = fillSync(file, bytes, 0)
  const stats = fstatSync(file, { bigint: true })
  if (filled !== size || stats.size !== BigInt(size)) {
    return { damaged: `${stats.size} bytes, ${size} expected` }
  }
  return { bytes, mark: fingerprintOf(stats) }
}

/** Fills `buffer` from `position` on; fewer bytes than it holds mean the end of the file. */
export function fillSync(file: number, buffer: Uint8Array, position: number): number {
  let filled = 0
  while (filled < buffer.byteLength) {
    const rest = buffer.byteLength - filled
    const count = readSync(file, buffer, filled, rest, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
