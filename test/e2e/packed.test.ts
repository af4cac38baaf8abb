/**
 * The packages as strangers get them: npm installs @catalog-p2p/gateway from a registry into an empty folder with an empty
 * home; the `catalog` it put there serves an install, and `catalog exec` runs one.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { freePort } from '../support/machines/free-port.ts'
import { installedGateway, programIn } from '../support/packed-catalog.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const fixtures = fixturePackages()
let workspace: Workspace
let registry: LoopbackRegistry
/** Where npm has installed the gateway, and the program in it. */
let installed: string
let bin: string

beforeAll(async () => {
  workspace = await createWorkspace()
  installed = await installedGateway()
  bin = await programIn(installed)
  registry = await startRegistry({ packages: fixtures, tarballs: 'self' })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

test('the catalog that npm has installed into an empty folder serves an install', async () => {
  const home = await workspace.folder('home')
  const run = { cwd: installed, home, registry: registry.url }
  // As "npx @catalog-p2p/gateway": the package has one program, whatever that is called.
  const npx = ['exec', '--', '@catalog-p2p/gateway', '--version']
  const { output } = await mustRunClient('npm-11', npx, run)
  expect(output).toMatch(/^\d+\.\d+\.\d+/m)

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
  expect(await brokenPageFiles(daemon.url)).toEqual([])
  const explain = ['exec', '--', 'catalog', 'explain', '--store', store, '--port', String(port)]
  const { output: explained } = await mustRunClient('npm-11', explain, run)
  expect(explained).toMatch(/^npm\/11\S* at [\d:]{8}: .* for \d+ requests/m)
  expect(explained).toMatch(/% +waiting for the registry to begin with/)
})

test('its catalog exec runs npm ci: from the registry, then with the registry gone', async () => {
  const store = await workspace.folder('ci-cache')
  const project = await workspace.folder('project')
  await writeFile(join(project, 'package.json'), JSON.stringify(fixtureProject))
  const run = { cwd: project, home: await workspace.folder('home'), registry: registry.url }
  await mustRunClient('npm-11', ['install', '--package-lock-only'], run)
  const lockfile = await readFile(join(project, 'package-lock.json'), 'utf8')
  const port = String(await freePort())
  const offline = ['--no-mdns', '--network.port', '0', '--no-upnp', '--no-dht']
  const prefix = [process.execPath, bin, 'exec', '--port', port, '--store', store, ...offline, '--']
  const ci = async (): Promise<string> => {
    await rm(join(project, 'node_modules'), { recursive: true, force: true })
    const home = await workspace.folder('home')
    const { output } = await mustRunClient('npm-11', ['ci'], { ...run, home, prefix })
    expect(await readInstalled(project)).toEqual(asInstalled(fixtures, expectedInstall(fixtures)))
    expect(await readFile(join(project, 'package-lock.json'), 'utf8')).toBe(lockfile)
    return output
  }

  expect(await ci()).toMatch(/registry|upstream/i)
  await registry.stop()
  registry.forget()
  await ci()
  expect(registry.count()).toBe(0)
})

/** Of the dashboard: what its page and its scripts name and the daemon does not have. */
async function brokenPageFiles(url: string): Promise<string[]> {
  const read = async (path: string): Promise<string> => {
    const response = await fetch(new URL(path, url))
    if (!response.ok) return Promise.reject(new Error(`${path}: HTTP ${response.status}`))
    return await response.text()
  }
  const page = await read('-/catalog/ui')
  const waiting = [...page.matchAll(/["/](ui\/[\w.-]+)"/g)].map(([, path]) => `-/catalog/${path}`)
  const seen = new Set<string>()
  const broken: string[] = []
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    const text = await read(path).catch((error: unknown) => void broken.push(String(error)))
    for (const [, name] of (text ?? '').matchAll(/\bfrom ["']\.\/([\w.-]+)["']/g)) {
      waiting.push(`-/catalog/ui/${name}`)
    }
  }
  if (!seen.has('-/catalog/ui/app.js') || seen.size < 12) broken.push(`only ${seen.size} files`)
  return broken
}
