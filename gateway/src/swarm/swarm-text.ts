/**
 * The swarm's file on disk: for its user alone, replaced in one step. One that others may read is refused, as they would be members.
 */
import { readFileSync, statSync, type Stats } from 'node:fs'
import { CatalogError, parseSwarmFile, swarmFileToText, type SwarmFile } from '@catalog-p2p/core'
import { requireRegularFile } from '../regular-file.ts'
import { replaceFile } from '../replace-file.ts'

const MAX_BYTES = 128 * 1024

/** Changes when the file does; `none` where there is none. */
export function stateOfSwarmFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return 'none'
  const { mtimeMs, ctimeMs, size, ino } = stats
  return [mtimeMs, ctimeMs, size, ino].join(' ')
}

/** Undefined where there is none. @throws CatalogError INVALID_OPTIONS */
export function readSwarmFile(path: string): SwarmFile | undefined {
  let text: string
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return undefined
    requirePrivate(path, stats)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof CatalogError) throw error
    throw new CatalogError('INVALID_OPTIONS', `${path}: can't be read`, { cause: error })
  }
  return parseSwarmFile(text, path)
}

/** @throws CatalogError STORE_FAILED */
export async function writeSwarmFile(path: string, file: SwarmFile): Promise<void> {
  try {
    await replaceFile(path, Buffer.from(swarmFileToText(file)), { mode: 0o600, keepMode: false })
  } catch (error) {
    throw new CatalogError('STORE_FAILED', `${path}: can't be written`, { cause: error })
  }
}

function requirePrivate(path: string, stats: Stats): void {
  requireRegularFile(path, stats)
  if (stats.size > MAX_BYTES) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: larger than 128 KiB`)
  }
  // The modes of Windows say nothing of who may read.
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: others than its owner may read it`, {
      hint: 'take that away (chmod 600); if somebody has read it, change the key (catalog swarm rotate)',
    })
  }
}
