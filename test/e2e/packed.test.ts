/**
 * The packages as strangers get them: npm installs @catalog-p2p/gateway from a registry into an empty folder with an empty
 * home, and the `catalog` it put there serves an install.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { publishedPackages } from '../support/published.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registry.ts'

const fixtures = fixturePackages()
let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  const published = await publishedPackages(await workspace.folder('publisher'))
  registry = await startRegistry({ packages: [...published, ...fixtures], tarballs: 'self' })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

test('npm installs the gateway into an empty folder, and its catalog serves an install', async () => {
  const home = await workspace.folder('home')
  const cwd = await workspace.folder('stranger')
  const run = { cwd, home, registry: registry.url }
  await mustRunClient('npm-11', ['install', '@catalog-p2p/gateway'], run)
  const { output } = await mustRunClient('npm-11', ['exec', '--', 'catalog', '--version'], run)
  expect(output).toMatch(/^\d+\.\d+\.\d+/m)

  const bin = await installedBin(cwd)
  const port = await freePort()
  const store = join(home, 'store')
  const args = ['--port', String(port), '--store', store, '--upstream', registry.url, '--no-mdns']
  const network = ['--network.port', '0', '--no-upnp', '--no-dht']
  const catalog = [process.execPath, bin]
  await using daemon = await startDaemon({ args: [...args, ...network], home, port, catalog })

  const project = await workspace.folder('project')
  await writeFile(join(project, 'package.json'), JSON.stringify(fixtureProject))
  const clean = await workspace.folder('home')
  await mustRunClient('npm-11', ['install'], { cwd: project, home: clean, registry: daemon.url })
  expect(await readInstalled(project)).toEqual(asInstalled(fixtures, expectedInstall(fixtures)))
  const { tarballs } = (await daemon.status()).gateway
  expect(tarballs.origin.artifacts).toBeGreaterThanOrEqual(expectedInstall(fixtures).size)
})

async function installedBin(cwd: string): Promise<string> {
  const folder = join(cwd, 'node_modules', '@catalog-p2p', 'gateway')
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    bin: { catalog: string }
  }
  return join(folder, bin.catalog)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
