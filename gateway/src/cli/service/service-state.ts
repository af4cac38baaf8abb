/**
 * What `catalog service install` has written, and the former content: one JSON file beside the settings. With it a foreign file
 * is never taken for ours, and ours can be undone exactly.
 */
import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CatalogError } from '@catalog-p2p/core'
import { readOwnedFile, removeOwnedFile, writeOwnedFile } from '../../clients/owned-file.ts'

const stateSchema = z.strictObject({
  version: z.literal(1),
  path: z.string().min(1),
  /** SHA-256 of what we wrote, hex; the newest first, and the one before it, because the file is written after this. */
  written: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(1)
    .max(2),
  /** The bytes before, base64; null: there was no file. */
  original: z.base64().nullable(),
  /** The rights of that file. */
  originalMode: z.int().min(0).max(0o7777).optional(),
  /** The options that the daemon was given. */
  options: z.array(z.string()).optional(),
  /** Folders that were made for it, innermost first. */
  folders: z.array(z.string().min(1)),
})

export type ServiceState = Readonly<z.output<typeof stateSchema>>

export function serviceStatePath(configFolder: string): string {
  return join(configFolder, 'service.json')
}

/** @throws CatalogError STORE_CORRUPT when the file makes no sense; it is never thrown away by us */
export async function readServiceState(path: string): Promise<ServiceState | undefined> {
  const bytes = await readOwnedFile(path)
  if (bytes === undefined) return undefined
  try {
    return stateSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    throw new CatalogError('STORE_CORRUPT', `${path}: not what "catalog service" writes`, {
      hint: 'move it away, and remove the service by hand',
      cause: error,
    })
  }
}

/** undefined removes the file, and its folder if that is empty then. */
export async function writeServiceState(
  path: string,
  state: ServiceState | undefined,
): Promise<void> {
  if (state === undefined) {
    await removeOwnedFile(path)
    await removeEmpty(dirname(path))
    return
  }
  await writeOwnedFile(path, Buffer.from(`${JSON.stringify(state, null, 2)}\n`), 0o600)
}

/** False when something is in it, or it can't be removed. */
export async function removeEmpty(folder: string): Promise<boolean> {
  return rmdir(folder).then(
    () => true,
    () => false,
  )
}
