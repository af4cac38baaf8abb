/**
 * A fresh install, with every kind of client, of packages that this machine has never seen, while no registry is in reach:
 * metadata and tarballs come from a peer that has them.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageKeyOf } from '@catalog-p2p/core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, NO_RETRIES, whyUnavailable, type ClientName } from '../support/clients.ts'
import { fixturePackages } from '../support/fixture-packages.ts'
import { readInstalled } from '../support/installed.ts'
import { meet, type Machine } from '../support/machine.ts'
import { tarballPath } from '../support/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const packages = fixturePackages().filter(({ name }) => name !== 'fx-big')
const names = [...new Set(packages.map(({ name }) => name))]
const wanted = ['@fx/alpha', '@fx/cli', 'fx-nested-b', 'fx-native']
/** What comes with them, on any platform. */
const expected = ['@fx/alpha@1.2.0', '@fx/beta@2.1.3', '@fx/cli@3.0.1', 'fx-colors@1.4.0']
const nested = ['fx-leaf@1.3.0', 'fx-leaf@2.0.0', 'fx-nested-b@1.0.0', 'fx-native@1.1.0']

const ADD: readonly (readonly [ClientName, readonly string[]])[] = [
  ['npm-12', ['install', ...wanted]],
  ['pnpm-12', ['add', ...wanted]],
  ['yarn-4', ['add', ...wanted]],
  ['bun', ['add', ...wanted]],
  ['deno', ['add', ...wanted.map((name) => `npm:${name}`)]],
]

let workspace: Workspace
let swarm: SignedSwarm
let full: Machine
beforeAll(async () => {
  workspace = await createWorkspace()
  swarm = await signedSwarm(workspace.path, packages)
  full = await swarm.machine()
  for (const name of names) {
    expect((await fetch(`${full.url}/${name.replace('/', '%2f')}`)).status).toBe(200)
  }
  for (const each of packages) await (await fetch(full.url + tarballPath(each))).arrayBuffer()
  await swarm.registry.stop()
})
afterAll(async () => {
  await swarm[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

describe.each(ADD)('%s', (name, add) => {
  const missing = whyUnavailable(findClient(name))
  test.skipIf(missing !== undefined)(
    'adds packages that only a peer knows',
    { timeout: 60_000 },
    async () => {
      const machine = await swarm.machine()
      await meet(machine.node, full.node, packages.length)
      await vi.waitFor(() => {
        for (const each of names) {
          const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name: each })
          expect(machine.node.questions.holders(key)).toHaveLength(1)
        }
      }, 10_000)
      const cwd = await workspace.folder(`${name}-project`)
      const home = await workspace.folder(`${name}-home`)
      const manifest = JSON.stringify({ name: 'fresh', version: '1.0.0', private: true })
      await writeFile(join(cwd, 'package.json'), manifest)
      await mustRunClient(name, add, { cwd, home, registry: machine.url, env: NO_RETRIES })
      const installed = [...(await readInstalled(cwd)).keys()]
      expect(installed).toEqual(expect.arrayContaining([...expected, ...nested]))
    },
  )
})
