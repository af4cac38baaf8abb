/**
 * The trust file on disk: read whole, replaced in one step, for its user alone. Whoever can write it decides what is installed, so
 * one that others may write is refused. Never thrown away or mended by us.
 */
import { readFileSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { requireRegularFile } from '../regular-file.ts'
import { replaceFile } from '../replace-file.ts'
import { parseTrustFile, type TrustEntry } from './trust-entries.ts'

const MAX_BYTES = 1024 * 1024

export function trustFilePath(folder: string): string {
  return join(folder, 'trusted-publishers.txt')
}

/** What organisations have signed is kept beside the trust file. */
export function certificatesPath(folder: string): string {
  return join(folder, 'certificates.json')
}

/** Changes when the file does; `none` where there is none. @throws CatalogError INVALID_OPTIONS */
export function stateOfTrustFile(path: string): string {
  const stats = statsOf(path)
  if (stats === undefined) return 'none'
  const { mtimeMs, ctimeMs, size, ino } = stats
  return [mtimeMs, ctimeMs, size, ino].join(' ')
}

/** Empty where there is none. @throws CatalogError INVALID_OPTIONS */
function readTrustText(path: string): string {
  const stats = statsOf(path)
  if (stats === undefined) return ''
  requireRegularFile(path, stats)
  // The modes of Windows say nothing of who may write.
  if (process.platform !== 'win32' && (stats.mode & 0o022) !== 0) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: others than its owner may write it`, {
      hint: `take that away (chmod 600), then look at what it says`,
    })
  }
  if (stats.size > MAX_BYTES) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: larger than 1 MiB`)
  }
  return readAs(path, () => readFileSync(path, 'utf8'))
}

/** @throws CatalogError INVALID_OPTIONS naming the line */
export function readTrustFile(path: string): readonly TrustEntry[] {
  return parseTrustFile(readTrustText(path), path)
}

/**
 * Not for two changes at the same time: the later one wins.
 * @throws CatalogError INVALID_OPTIONS for a file that makes no sense before, STORE_FAILED
 */
export async function changeTrustFile(
  path: string,
  change: (text: string) => string,
): Promise<void> {
  const before = readTrustText(path)
  parseTrustFile(before, path)
  const text = change(before)
  if (text === before) return
  parseTrustFile(text, path)
  try {
    await replaceFile(path, Buffer.from(text), { mode: 0o600, keepMode: true })
  } catch (error) {
    throw new CatalogError('STORE_FAILED', `${path}: can't be written`, { cause: error })
  }
}

function statsOf(path: string): Stats | undefined {
  return readAs(path, () => statSync(path, { throwIfNoEntry: false }))
}

function readAs<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: can't be read`, { cause: error })
  }
}
