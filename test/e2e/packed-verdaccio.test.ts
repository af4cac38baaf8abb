/**
 * The Verdaccio plugin as strangers get it: npm installs our packed plugin from a registry into an empty folder with an empty
 * home, alone for the `plugins:` folder of a Verdaccio elsewhere, and together with Verdaccio, where it is loaded by its name.
 * It verifies, seeds and serves an install.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { clientPackages, publishedPackages } from '../support/registries/published.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import {
  nodeIsUp,
  quietNetwork,
  startVerdaccio,
  VERDACCIO_PROGRAM,
} from '../support/registries/verdaccio.ts'

const fixtures = fixturePackages()
const wanted = expectedInstall(fixtures)
let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  const published = await publishedPackages()
  const verdaccio = await clientPackages('verdaccio')
  // Ours first: where both have a package, one of its versions more does no harm.
  const packages = [...published, ...verdaccio, ...fixtures]
  registry = await startRegistry({ packages, tarballs: 'self' })
})

afterAll(async () => {
  await registry?.stop()
  await workspace[Symbol.asyncDispose]()
})

// Hundreds of packages are installed: what the plugin does is in verdaccio-plugin.test.ts.
const tags = ['long']

test('in a folder of plugins, away from Verdaccio', { tags }, async () => {
  const elsewhere = await install(['verdaccio-catalog-p2p'])
  await serves(VERDACCIO_PROGRAM, { plugins: join(elsewhere, 'node_modules') })
})

test('beside Verdaccio, found by its name', { tags }, async () => {
  const server = await install(['verdaccio', 'verdaccio-catalog-p2p'])
  await serves(join(server, 'node_modules', 'verdaccio', 'bin', 'verdaccio'), {})
})

/** Installs into an empty folder with an empty home. */
async function install(names: readonly string[]): Promise<string> {
  const cwd = await workspace.folder('installed')
  // Verdaccio asks for a dist-tag of node-fetch, which not every registry has.
  const manifest = { private: true, overrides: { 'node-fetch': '^2.6.7' } }
  await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
  const home = await workspace.folder('home')
  const args = ['install', ...names, '--ignore-scripts', '--no-audit']
  const timeoutMs = 120_000
  await mustRunClient('npm-11', args, { cwd, home, registry: registry.url, timeoutMs })
  return cwd
}

async function serves(program: string, more: Record<string, unknown>): Promise<void> {
  await using verdaccio = await startVerdaccio({
    folder: await workspace.folder('verdaccio'),
    program,
    config: {
      uplinks: { main: { url: `${registry.url}/`, max_fails: 1000, fail_timeout: '1s' } },
      packages: { '**': { access: '$all', proxy: 'main' } },
      ...more,
    },
    plugin: { network: quietNetwork() },
  })
  await nodeIsUp(verdaccio)
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject))
  const home = await workspace.folder('home')
  await mustRunClient('npm-11', ['install'], { cwd, home, registry: verdaccio.url })
  expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
  const { tarballs, node } = await verdaccio.status()
  expect(tarballs.uplink.artifacts).toBe(wanted.size)
  expect(node?.announced).toBe(wanted.size)
}
