/**
 * The file that says where this user's daemons listen for guests (docs/bridges.md). `catalog bridge` writes it, the daemon reads it
 * when it starts and when it is told to. No secrets in it.
 */
import { isIP } from 'node:net'
import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { CatalogError, errnoOf } from '@catalog-p2p/core'
import { replaceFile } from '../replace-file.ts'

/** A listener for one kind of guest. */
const bridgeSchema = z.union([
  z.strictObject({
    kind: z.enum(['docker', 'wsl']),
    address: z.string().refine((text) => isIP(text) !== 0, 'must be an IP address'),
    port: z.number().int().min(1).max(65_535),
    /** What guests may call it, beside its address. */
    hosts: z.array(z.string().min(1).max(253)).max(16),
  }),
  z.strictObject({
    kind: z.literal('sandbox'),
    /** A Unix socket. */
    path: z.string().max(100).refine(isAbsolute, 'must be a whole path'),
  }),
])

const fileSchema = z.strictObject({ bridges: z.array(bridgeSchema).max(8) })

export type Bridge = z.output<typeof bridgeSchema>
export type BridgeKind = Bridge['kind']

export function bridgeFilePath(configFolder: string): string {
  return join(configFolder, 'bridges.json')
}

/** None where there is no file. @throws CatalogError INVALID_OPTIONS when it can't be read or makes no sense */
export async function readBridges(path: string): Promise<readonly Bridge[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT') return []
    throw new CatalogError('INVALID_OPTIONS', `${path}: can't be read (${code})`, {
      cause: error,
      hint: 'make it a file that the user of the daemon may read, or delete it',
    })
  }
  try {
    return fileSchema.parse(JSON.parse(text)).bridges
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: does not name bridges`, {
      cause: error,
      hint: 'delete it, and open them again with "catalog bridge"',
    })
  }
}

/** With `bridge` in place of the one of its kind. @throws CatalogError INVALID_OPTIONS, the file is as before then */
export async function writeBridge(path: string, bridge: Bridge): Promise<void> {
  const others = (await readBridges(path)).filter(({ kind }) => kind !== bridge.kind)
  await write(path, [...others, bridge])
}

/** @returns whether there was one of that kind */
export async function removeBridge(path: string, kind: BridgeKind): Promise<boolean> {
  const all = await readBridges(path)
  const others = all.filter((each) => each.kind !== kind)
  if (others.length < all.length) await write(path, others)
  return others.length < all.length
}

/** @throws CatalogError INVALID_OPTIONS rather than write what could not be read back */
async function write(path: string, bridges: readonly Bridge[]): Promise<void> {
  const { error } = fileSchema.safeParse({ bridges })
  if (error !== undefined) {
    throw new CatalogError('INVALID_OPTIONS', `no such bridge: ${z.prettifyError(error)}`, {
      hint: 'see docs/bridges.md',
    })
  }
  const text = `${JSON.stringify({ bridges }, null, 2)}\n`
  await replaceFile(path, Buffer.from(text), { mode: 0o600, keepMode: false })
}
