/**
 * Opens the file of an unfinished download. What an earlier run marked as present is hashed against its leaf before it is
 * believed: after a kill or a power failure the marks are a claim like any other.
 */
import { Bitfield } from '../../content/bitfield.ts'
import { chunkCount, chunkRange } from '../../content/chunking.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { matchesLeaf } from '../../content/merkle.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { OpenFile, StoreFiles } from './files.ts'
import type { PartialRow } from './index-rows.ts'
import { fill } from './reader.ts'

export interface PartialFile {
  readonly file: OpenFile
  /** The chunks found whole; undefined for a new file. */
  readonly bitfield: Bitfield | undefined
}

/** @param row what to resume; a new file replaces whatever is there without it */
export async function openPartialFile(
  files: StoreFiles,
  path: string,
  row: PartialRow | undefined,
): Promise<PartialFile> {
  if (row !== undefined) {
    const file = await openExisting(files, path)
    if (file !== undefined) return { file, bitfield: await findWhole(file, row) }
  }
  // A discard that failed half-way may have left one.
  await files.remove(path)
  return { file: await files.open(path, 'create'), bitfield: undefined }
}

export function bitfieldOf(row: PartialRow): Bitfield {
  return Bitfield.decode(row.bitfield, chunkCount(row.geometry.size, row.geometry.chunkSize))
}

async function openExisting(files: StoreFiles, path: string): Promise<OpenFile | undefined> {
  try {
    return await files.open(path, 'write')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function findWhole(file: OpenFile, row: PartialRow): Promise<Bitfield> {
  const bitfield = bitfieldOf(row)
  for (const index of [...bitfield.present()]) {
    const { start, end } = chunkRange(row.geometry, index)
    const buffer = Buffer.allocUnsafeSlow(end - start)
    const count = await fill(file, buffer, start)
    if (count < buffer.byteLength || !matchesLeaf(buffer, row.leaves, index)) {
      bitfield.remove(index)
    }
  }
  return bitfield
}

/** Of the chunks that are there. */
export function presentBytesOf(partial: {
  readonly geometry: ArtifactGeometry
  readonly bitfield: Bitfield
}): number {
  const { geometry, bitfield } = partial
  return Math.min(bitfield.count * geometry.chunkSize, geometry.size)
}
