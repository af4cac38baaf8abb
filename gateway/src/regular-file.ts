/**
 * Settings are read from regular files only. Behind a pipe stands a program that may never write (password managers mount an
 * .npmrc so), and a synchronous read of it takes no signal; what it gives once it may not give again.
 */
import type { Stats } from 'node:fs'
import { CatalogError } from '@catalog-p2p/core'

/** @throws CatalogError INVALID_OPTIONS */
export function requireRegularFile(path: string, stats: Stats): void {
  if (stats.isFile()) return
  throw new CatalogError('INVALID_OPTIONS', `${path}: is ${kindOf(stats)}, not a regular file`, {
    hint: 'put the settings into a file of their own and name that (npm: npm_config_userconfig)',
  })
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  return stats.isSocket() ? 'a socket' : 'a device'
}
