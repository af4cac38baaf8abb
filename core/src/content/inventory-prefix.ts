/**
 * What inventories list instead of digests and name keys: 31 bits of each, in one range of 32-bit integers, digests in its
 * lower half and names in its upper half. Short, because a node keeps those of some 200 peers: among 20 million listed ones,
 * one lookup in a hundred finds a peer that has something else, which then says so. Pure. docs/protocol.md, section Inventory
 */
import type { Digest } from './digest.ts'
import type { NameKey } from './name-key.ts'

/** Prefixes of names begin here. */
export const NAME_PREFIXES_FROM = 0x8000_0000

export function digestPrefix(digest: Digest): number {
  return Buffer.from(digest.slice(7, 7 + 8), 'base64').readUInt32BE(0) >>> 1
}

export function namePrefix(key: NameKey): number {
  return NAME_PREFIXES_FROM + (Number.parseInt(key.slice(0, 8), 16) >>> 1)
}
