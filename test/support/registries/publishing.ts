/** Packages to publish without a registry, and keys, each made once per test file: making one takes a while. */
import type { CatalogNode, HybridKey, PublishInput } from '@catalog-p2p/core'
import { generateKey } from '@catalog-p2p/core'
import { makePackage } from '../fixture-packages.ts'

const keys = new Map<string, HybridKey>()

export function keyOf(owner: string): HybridKey {
  const known = keys.get(owner)
  if (known !== undefined) return known
  const key = generateKey()
  keys.set(owner, key)
  return key
}

export function packageOf(
  name: string,
  version: string,
  how: Partial<PublishInput> = {},
): PublishInput {
  const { tarball } = makePackage(name, version)
  const manifest = JSON.stringify({ name, version, main: 'index.js' })
  return { name, version, tarball, manifest, tags: ['latest'], ...how }
}

export const signalOf = (ms = 20_000): { signal: AbortSignal } => ({
  signal: AbortSignal.timeout(ms),
})

/** The whole of an artifact, from wherever it comes. */
export async function bytesOf(
  node: CatalogNode,
  digest: Parameters<CatalogNode['get']>[0],
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of (await node.get(digest, signalOf())).body) parts.push(part)
  return Buffer.concat(parts)
}
