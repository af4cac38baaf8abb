/**
 * What a file looked like when its bytes were hashed: the times of its last writing and of its last change of any kind (rename,
 * link, mode), to the nanosecond where the system has them. While that stays, so do the bytes, as far as a file system can
 * tell; a copy, a restored backup or another file under the name has another one. Says nothing of rot beneath the file
 * system: that changes no time.
 */
import type { BigIntStats } from 'node:fs'
import type { Digest } from '../../content/digest.ts'

export type FileFingerprint = string

const NANOSECONDS = 1_000_000_000n

/**
 * The number of the file counts only where its times are too coarse to tell two files apart (FAT, some network file
 * systems), or the second is but the first (no time of change: exFAT, some FUSE systems), which a copy may keep: elsewhere
 * they suffice, and not every file system gives one file the same number for long.
 */
export function fingerprintOf({ mtimeNs, ctimeNs, ino }: BigIntStats): FileFingerprint {
  const times = `${mtimeNs.toString(16)}.${ctimeNs.toString(16)}`
  const isCoarse = ctimeNs % NANOSECONDS === 0n || ctimeNs === mtimeNs
  return isCoarse ? `${times}.${ino.toString(16)}` : times
}

/** Undefined when it can't be looked at: then it is hashed when it is read, and a disk that fails says so there. */
export async function statFingerprint(
  files: { mark(path: string): Promise<FileFingerprint> },
  path: string,
): Promise<FileFingerprint | undefined> {
  try {
    return await files.mark(path)
  } catch {
    return undefined
  }
}

/** The marks of what a store holds; without one, a file is hashed before it is believed. */
export class FileFingerprints {
  readonly #marks = new Map<Digest, FileFingerprint>()

  of(digest: Digest): FileFingerprint | undefined {
    return this.#marks.get(digest)
  }

  /** @param mark undefined: the file changed while it was hashed, or could not be looked at */
  note(digest: Digest, mark: FileFingerprint | undefined): void {
    if (mark === undefined) this.#marks.delete(digest)
    else this.#marks.set(digest, mark)
  }

  forget(digest: Digest): void {
    this.#marks.delete(digest)
  }
}
