/** Files with certificates and revocation lists, as `catalog ca` is given them, and how its commands print. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'

const MAX_FILE_BYTES = 1024 * 1024

/** @throws CatalogError INVALID_OPTIONS */
export async function readOffered({ terminal }: Invocation, file: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(resolve(terminal.cwd, file))
    if (bytes.byteLength > MAX_FILE_BYTES) throw new Error('longer than 1 MiB')
    return Uint8Array.from(bytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CatalogError('INVALID_OPTIONS', `${file}: can't be read: ${why}`, { cause: error })
  }
}

export function print(invocation: Invocation, found: object, lines: readonly string[]): number {
  const { terminal } = invocation
  if (loadConfig(invocation).json) terminal.print(JSON.stringify(found))
  else for (const line of lines) terminal.print(line)
  return EXIT.ok
}
