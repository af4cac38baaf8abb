/**
 * The Yarn plugin under a real Yarn 4: the lockfile is the one that Yarn makes without it, every byte is checked whoever sent
 * it, and no failure of ours fails an install.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startMachine, type Machine } from '../support/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registry.ts'
import { buildPlugin, mustRunYarn, type YarnRun } from '../support/yarn-plugin.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)

let workspace: Workspace
let registry: LoopbackRegistry
let machine: Machine
let plugin: string
/** Made by Yarn alone. */
let lockfile: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  machine = await startMachine({ upstream: registry.url })
  plugin = join(workspace.path, 'plugin.cjs')
  await buildPlugin(plugin)
  const plain = await project({})
  await mustRunYarn(['install'], { ...plain, settings: ['nodeLinker: node-modules'] })
  lockfile = await readLockfile(plain.cwd)
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

interface Setup {
  readonly linker?: string
  readonly daemon?: string
  readonly settings?: readonly string[]
  readonly manifest?: object
  readonly lockfile?: string
}

/** A new project in a new home; without `daemon` the plugin is there all the same. */
async function project(setup: Setup): Promise<YarnRun> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(setup.manifest ?? fixtureProject))
  await writeFile(join(cwd, 'yarn.lock'), setup.lockfile ?? '')
  return { cwd, home: await workspace.folder('home'), registry: registry.url }
}

async function withPlugin(setup: Setup = {}): Promise<YarnRun> {
  const settings = [
    `nodeLinker: ${setup.linker ?? 'node-modules'}`,
    `catalogDaemonUrl: '${setup.daemon ?? machine.url}'`,
    'plugins:',
    `  - path: '${plugin.replaceAll('\\', '/')}'`,
    ...(setup.settings ?? []),
  ]
  return { ...(await project(setup)), settings }
}

function readLockfile(cwd: string): Promise<string> {
  return readFile(join(cwd, 'yarn.lock'), 'utf8')
}

describe.each(['node-modules', 'pnpm', 'pnp'])('with the %s linker', (linker) => {
  test('installs through the daemon, and the lockfile is the one that Yarn makes', async () => {
    const run = await withPlugin({ linker })
    registry.forget()
    await mustRunYarn(['install', '--no-immutable'], run)
    expect(await readLockfile(run.cwd)).toBe(lockfile)
  })
})
