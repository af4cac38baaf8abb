/** The `catalog` command as users have it: built, packed, and installed by npm from a registry on loopback into an empty folder. */
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { mustRunClient } from '../../test/support/client.ts'
import { publishedPackages } from '../../test/support/registries/published.ts'
import { startRegistry } from '../../test/support/registries/registry.ts'

/** The file that `node` runs, and the node_modules that it is in. */
export interface PackedCatalog {
  readonly program: string
  readonly modules: string
}

export async function installPacked(folder: string): Promise<PackedCatalog> {
  process.env.CATALOG_TEST_RUN ??= folder // where what is built once goes
  const cwd = join(folder, 'installed')
  const home = join(folder, 'installer')
  await Promise.all([cwd, home].map((each) => mkdir(each, { recursive: true })))
  await using registry = await startRegistry({
    packages: await publishedPackages(),
    tarballs: 'self',
  })
  const args = ['install', '@catalog-p2p/gateway', '--ignore-scripts', '--no-audit']
  await mustRunClient('npm-11', args, { cwd, home, registry: registry.url, timeoutMs: 120_000 })
  const modules = join(cwd, 'node_modules')
  return { modules, program: join(modules, '@catalog-p2p', 'gateway', 'dist', 'cli.js') }
}
