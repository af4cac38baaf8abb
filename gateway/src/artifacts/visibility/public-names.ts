/**
 * Packages of a scope that a public registry has given something of to somebody without credentials. What is forgotten is found
 * out anew.
 */
import type { Database } from '@catalog-p2p/core'
import { createLruTable } from '../lru-table.ts'

export interface PublicNames {
  has(registry: string, name: string): boolean
  add(registry: string, name: string): void
  remove(name: string): void
}

/** About a hundred bytes each. */
const MAX_PUBLIC_NAMES = 200_000

export function createPublicNames(database: Database): PublicNames {
  const rows = createLruTable(database, {
    ...{
      table: 'public_names',
      columns: { key: 'registry', value: 'name' },
      maxRows: MAX_PUBLIC_NAMES,
    },
    now: Date.now,
  })
  return {
    has: (registry, name) => rows.has(registry, [name]),
    add: (registry, name) => rows.add(registry, name),
    remove: (name) => rows.removeValue(name),
  }
}
