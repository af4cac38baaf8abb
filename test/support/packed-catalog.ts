/** The gateway as strangers have it: npm installs it from our packed tarballs into an empty folder, once per test run. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mustRunClient } from './client.ts'
import { publishedPackages } from './registries/published.ts'
import { startRegistry } from './registries/registry.ts'
import { madeOnce } from './test-run.ts'

/** The folder that it is installed in; nobody may change what is there. */
export async function installedGateway(): Promise<string> {
  return await madeOnce('installed', async (cwd) => {
    const packages = await publishedPackages()
    await using registry = await startRegistry({ packages, tarballs: 'self' })
    const run = { cwd, home: join(cwd, '..', 'home-of-installed'), registry: registry.url }
    await mustRunClient('npm-11', ['install', '@catalog-p2p/gateway'], run)
  })
}

/** The program `catalog` in such a folder. */
export async function programIn(cwd: string): Promise<string> {
  const folder = join(cwd, 'node_modules', '@catalog-p2p', 'gateway')
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    bin: { catalog: string }
  }
  return join(folder, bin.catalog)
}
