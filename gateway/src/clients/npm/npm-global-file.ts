/**
 * npm's global configuration file with our registry in it, for as long as a command runs. Every other file, variable and option
 * wins over it, so npm asks us only where nothing names a registry, in whatever folder it runs.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Variables } from '../variables.ts'

export interface TemporaryFiles {
  readonly variables: Variables
  remove(): Promise<void>
}

/** `original`: npm's own, whose settings stay as they are. */
export async function writeNpmGlobalFile(
  gateway: string,
  original: string | undefined,
): Promise<TemporaryFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-npm-'))
  const before = await readFile(original ?? '', 'utf8').catch(() => '')
  const path = join(folder, 'npmrc')
  // In front: npm ignores everything after a [section].
  await writeFile(path, `registry=${gateway}\n${before}`, { mode: 0o600 })
  return {
    variables: { npm_config_globalconfig: path },
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}
