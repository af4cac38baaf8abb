/**
 * Clients on a machine that has never seen any package, while no registry is in reach: a peer that has them all is beside it. For
 * the rows of the feature table about that. A machine is new for each install; the next one takes over the port, as lockfiles
 * may name it.
 */
import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { nameKeyOf, packageKeyOf } from '@catalog-p2p/core'
import { expect, vi } from 'vitest'
import { mustRunClient, type Workspace } from '../client.ts'
import { NO_RETRIES } from '../clients.ts'
import { pluginSettings, type Column } from './features-table.ts'
import { startPlainVerdaccio } from './features-verdaccio.ts'
import { fixturePackages } from '../fixture-packages.ts'
import { readInstalled } from '../installed.ts'
import { meet, type Machine } from '../machines/machine.ts'
import { tarballPath } from '../registries/registry.ts'
import { signedSwarm } from '../signed-swarm.ts'
import type { Verdaccio } from '../registries/verdaccio.ts'
import { mustRunYarn } from '../yarn-plugin.ts'

const packages = fixturePackages().filter(({ name }) => name !== 'fx-big')
/** Scoped, with a command, with two versions of one package, with parts for other platforms. */
export const GONE_DEPENDENCIES: Readonly<Record<string, string>> = {
  ...{ '@fx/alpha': '^1.0.0', '@fx/cli': '^3.0.0', 'fx-nested-b': '^1.0.0', 'fx-native': '^1.0.0' },
}
const EXPECTED = [
  ...['@fx/alpha@1.2.0', '@fx/beta@2.1.3', '@fx/cli@3.0.1', 'fx-colors@1.4.0'],
  ...['fx-leaf@1.3.0', 'fx-leaf@2.0.0', 'fx-nested-b@1.0.0', 'fx-native@1.1.0'],
]

export interface Goner {
  readonly column: Column
  readonly cwd: string
  /** Of the client, with what it has cached. */
  readonly home: string
}

export interface GoneWorld extends AsyncDisposable {
  /** Runs the client, on a machine of its own, and checks what it has installed, and that all of it came from the peer. */
  install(args: readonly string[], goner: Goner): Promise<void>
}

export async function startGone(workspace: Workspace, plugin: string): Promise<GoneWorld> {
  const swarm = await signedSwarm(workspace.path, packages)
  const full = await swarm.machine()
  const names = [...new Set(packages.map(({ name }) => name))]
  for (const name of names) {
    expect((await fetch(`${full.url}/${name.replace('/', '%2f')}`)).status).toBe(200)
  }
  for (const each of packages) await (await fetch(full.url + tarballPath(each))).arrayBuffer()
  await swarm.registry.stop()
  const ports = new Map<Column, number>()
  const inFront = new Map<Column, { verdaccio: Verdaccio; folder: string }>()

  async function newMachine(port: number | undefined): Promise<Machine> {
    const machine = await swarm.machine({ ...(port !== undefined && { port }) })
    await meet(machine.node, full.node, packages.length)
    const registry = `${swarm.registry.url}/`
    await vi.waitFor(() => {
      const { holders } = machine.node.questions
      for (const name of names) expect(holders(packageKeyOf({ registry, name }))).toHaveLength(1)
      for (const { name, version } of packages)
        expect(holders(nameKeyOf({ registry, name, version }))).toHaveLength(1)
    }, 10_000)
    return machine
  }

  /** A Verdaccio that has kept no package. */
  async function verdaccioOf(column: Column, uplink: string): Promise<Verdaccio> {
    const known = inFront.get(column)
    if (known !== undefined) {
      await forgetTarballs(known.folder)
      return known.verdaccio
    }
    const folder = await workspace.folder('gone-verdaccio')
    const verdaccio = await startPlainVerdaccio({ folder, uplink })
    inFront.set(column, { verdaccio, folder })
    return verdaccio
  }

  async function run(args: readonly string[], { column, cwd, home }: Goner, url: string) {
    const { mode, client } = column
    const env = NO_RETRIES
    if (mode === 'plugin') {
      const settings = pluginSettings(plugin, url)
      return void (await mustRunYarn(args, {
        cwd,
        home,
        env,
        settings,
        registry: swarm.registry.url,
      }))
    }
    const registry = mode === 'registry' ? url : (await verdaccioOf(column, url)).url
    await mustRunClient(client, args, { cwd, home, env, registry })
  }

  return {
    async install(args, goner) {
      await using machine = await newMachine(ports.get(goner.column))
      ports.set(goner.column, machine.port)
      await run(args, goner, machine.url)
      const installed = [...(await readInstalled(goner.cwd)).keys()]
      expect(installed).toEqual(expect.arrayContaining(EXPECTED))
      const { peer, store, origin } = machine.gateway.stats().tarballs
      expect(peer.artifacts + store.artifacts).toBeGreaterThanOrEqual(EXPECTED.length)
      expect(peer.artifacts).toBeGreaterThan(0)
      expect(origin.artifacts).toBe(0)
    },
    async [Symbol.asyncDispose]() {
      for (const { verdaccio } of inFront.values()) await verdaccio[Symbol.asyncDispose]()
      await swarm[Symbol.asyncDispose]()
    },
  }
}

/**
 * What a Verdaccio has kept of its uplink's packages, so that it has to ask again. It keeps a tarball some time after it has
 * sent it: those expected are waited for, or they would appear after this.
 */
export async function forgetTarballs(
  folder: string,
  expected: readonly string[] = [],
): Promise<void> {
  const storage = join(folder, 'storage')
  const tarballs = await vi.waitFor(async () => {
    const found = await readdir(storage, { recursive: true })
    const kept = found.filter((path) => path.endsWith('.tgz'))
    expect(kept.map((path) => basename(path))).toEqual(expect.arrayContaining([...expected]))
    return kept
  }, 10_000)
  for (const path of tarballs) await rm(join(storage, path))
}
