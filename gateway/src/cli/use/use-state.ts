/**
 * What `catalog use` has changed and how it was before: one JSON file, 0600 because an .npmrc may hold tokens. Without it
 * nothing could be undone exactly, so it is written before the files it speaks of.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import { CLIENTS } from '../../clients/client.ts'
import { readOwnedFile, removeOwnedFile, writeOwnedFile } from '../../clients/owned-file.ts'

const changeSchema = z.strictObject({
  added: z.string(),
  removed: z.string().exactOptional(),
  line: z.number().int().nonnegative(),
})

const fileSchema = z.strictObject({
  /** The clients it was written for. */
  clients: z.array(z.enum(CLIENTS)).min(1),
  /** The registry we wrote. */
  url: z.url(),
  /** The registry it named before; null: none. */
  previous: z.string().nullable(),
  /** The bytes before, base64; null: there was no file. */
  original: z.base64().nullable(),
  /**
   * SHA-256 of what we wrote, hex: tells whether somebody has changed the file since. The newest first; the one before it
   * too, because the file is written after this.
   */
  written: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(1)
    .max(2),
  changes: z.array(changeSchema),
})

const stateSchema = z.strictObject({
  version: z.literal(1),
  files: z.record(z.string(), fileSchema),
})

export type UsedFile = z.output<typeof fileSchema>
/** By absolute path. */
export type UseState = ReadonlyMap<string, UsedFile>

export function useStatePath(configFolder: string): string {
  return join(configFolder, 'clients.json')
}

/** @throws CatalogError STORE_CORRUPT when the file makes no sense; it is never thrown away by us */
export async function readUseState(path: string): Promise<UseState> {
  const bytes = await readOwnedFile(path)
  if (bytes === undefined) return new Map()
  try {
    const state = stateSchema.parse(JSON.parse(bytes.toString('utf8')))
    return new Map(Object.entries(state.files))
  } catch (error) {
    throw new CatalogError('STORE_CORRUPT', `${path}: not what "catalog use" writes`, {
      hint: 'move it away, and set the registry of your package managers by hand',
      cause: error,
    })
  }
}

/** An empty state has no file. */
export async function writeUseState(path: string, state: UseState): Promise<void> {
  if (state.size === 0) {
    await removeOwnedFile(path)
    return
  }
  const text = JSON.stringify({ version: 1, files: Object.fromEntries(state) }, null, 2)
  await writeOwnedFile(path, Buffer.from(`${text}\n`), 0o600)
}
