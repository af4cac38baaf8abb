/**
 * A pull request that changes nothing of a lockfile but one `integrity`, with npm itself and a real peer that holds the bytes: the
 * install fails as it does without us. And a prefetched lockfile decides nothing for another project.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { createWorkspace, runClient, type ClientResult, type Workspace } from '../support/client.ts'
import { makePackage, type FixturePackage } from '../support/fixture-packages.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'

const real = makePackage('fx-real', '1.0.0')
const evil = makePackage('fx-real', '1.0.0', { description: 'in no registry' })
const other = makePackage('fx-other', '1.0.0')

let workspace: Workspace
let registry: LoopbackRegistry
let peer: Awaited<ReturnType<typeof quietNode>>
let machine: Machine
beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({
    packages: [real, other],
    tarballs: 'self',
    gatewaysWaitMs: 2_000,
  })
  peer = await quietNode()
  for (const { tarball } of [evil, other, real]) await peer.put(tarball)
  machine = await startMachine({ upstream: registry.url })
  await meet(machine.node, peer, 3)
})
afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await peer.close()
  await registry[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

async function npmCi(integrity: string | undefined): Promise<ClientResult> {
  const home = await workspace.folder('home')
  const cwd = join(home, 'project')
  await mkdir(cwd)
  const project = { name: 'p', version: '1.0.0', dependencies: { [real.name]: '1.0.0' } }
  const resolved = `${registry.url}${tarballPath(real)}`
  const locked = { version: '1.0.0', resolved, ...(integrity && { integrity }) }
  const packages = { '': project, [`node_modules/${real.name}`]: locked }
  const lockfile = { name: 'p', version: '1.0.0', lockfileVersion: 3, requires: true, packages }
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  await writeFile(join(cwd, 'package-lock.json'), JSON.stringify(lockfile))
  // npm tries a wrong hash again, after 10 s and after a minute.
  const args = [
    'ci',
    '--no-audit',
    '--no-fund',
    '--replace-registry-host=always',
    '--fetch-retries=0',
  ]
  return runClient('npm-11', args, { cwd, home, registry: machine.url })
}

test.each([
  ['bytes that are in no registry', evil],
  ['another package', other],
])(
  'npm ci of a swapped hash, of %s, fails as it does without us',
  async (_, wanted: FixturePackage) => {
    const { exitCode, output } = await npmCi(wanted.integrity)
    expect(output).toContain('EINTEGRITY')
    expect(exitCode).not.toBe(0)
  },
)

test('the right one comes from the peer', async () => {
  await machine.node.remove(parseDigest(real.integrity))
  const before = machine.gateway.stats().tarballs.peer.artifacts
  const { exitCode, output } = await npmCi(real.integrity)
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 })
  expect(machine.gateway.stats().tarballs.peer.artifacts).toBe(before + 1)
})

test('one without a hash gets what the registry has, whatever came before', async () => {
  const { exitCode, output } = await npmCi(undefined)
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 })
  expect(machine.gateway.stats().tarballs.store.artifacts).toBeGreaterThan(0)
})
