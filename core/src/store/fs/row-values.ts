/** Rows of the store's index as what they stand for. Pure. */
import { digestFromBytes, type Digest } from '../../content/digest.ts'
import type { ChunkTable, Manifest } from '../../content/manifest.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { Retention, StoreEntry } from '../store.ts'
import type { FileFingerprint } from './file-fingerprint.ts'

/** As SQLite gives it. */
export type Row = Record<string, unknown>

export interface EntryRow extends StoreEntry {
  /** The file is known to be on the disk itself; if not, it is hashed after a restart before a byte of it is given. */
  readonly synced: boolean
  /** Of the file when it was last hashed, or written from bytes that were. */
  readonly mark: FileFingerprint | undefined
}

export interface PartialRow extends ChunkTable {
  readonly visibility: Visibility
  /** Encoded Bitfield of the chunks present. */
  readonly bitfield: Uint8Array
  readonly updatedAtMs: number
}

export function toEntryRow(row: Row): EntryRow {
  return {
    digest: digestFromBytes(row['digest'] as Uint8Array),
    size: Number(row['size']),
    visibility: toVisibility(row),
    retention: toRetention(row),
    pinned: row['pinned'] === 1,
    addedAtMs: Number(row['added']),
    usedAtMs: Number(row['used']),
    synced: row['synced'] === 1,
    mark: typeof row['mark'] === 'string' ? row['mark'] : undefined,
  }
}

export function toPartialRow(row: Row): PartialRow {
  return {
    geometry: {
      digest: digestFromBytes(row['digest'] as Uint8Array),
      size: Number(row['size']),
      chunkSize: Number(row['chunk_size']),
    },
    leaves: row['leaves'] as Uint8Array,
    visibility: toVisibility(row),
    bitfield: row['bitfield'] as Uint8Array,
    updatedAtMs: Number(row['updated']),
  }
}

export function toManifest(digest: Digest, row: Row): Manifest {
  return {
    digest,
    size: Number(row['size']),
    chunkSize: Number(row['chunk_size']),
    root: row['root'] as Uint8Array,
  }
}

function toRetention({ retention }: Row): Retention {
  return retention === 'replica' || retention === 'own' ? retention : 'cache'
}

function toVisibility(row: Row): Visibility {
  return row['public'] === 1 ? 'public' : 'private'
}
