/**
 * A machine that served only `npm ci`, which asks by hash and for no metadata, serves another machine's clients that ask by name
 * alone, with the registry gone: it has asked what the registry signed, when nobody waited for it. Real npm and pnpm, real QUIC.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nameKeyOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, NO_RETRIES, type ClientName } from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { readInstalled } from '../support/installed.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const leaf = makePackage('fx-leaf', '1.0.0')
const scoped = makePackage('@fx/scoped', '2.0.0', { dependencies: { 'fx-leaf': '^1.0.0' } })
const hidden = makePackage('@hidden/one', '1.0.0')
const packages = [leaf, scoped, hidden]

let workspace: Workspace
let swarm: SignedSwarm
beforeEach(async () => {
  workspace = await createWorkspace()
  swarm = await signedSwarm(workspace.path, packages)
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

const manifest = JSON.stringify({
  ...{ name: 'project', version: '1.0.0', private: true },
  dependencies: { [scoped.name]: '^2.0.0', [hidden.name]: '1.0.0' },
})

/** A project with the client's own lockfile, made without us. */
async function locked(client: ClientName): Promise<string> {
  const cwd = await workspace.folder(`${client}-project`)
  const home = await workspace.folder(`${client}-first-home`)
  await writeFile(join(cwd, 'package.json'), manifest)
  const { install } = findClient(client)
  const only = client.startsWith('npm') ? '--package-lock-only' : '--lockfile-only'
  const registry = swarm.registry.url
  await mustRunClient(client, [...install, only], { cwd, home, registry, env: NO_RETRIES })
  return cwd
}

async function frozen(client: ClientName, cwd: string, { url }: Machine): Promise<string[]> {
  const home = await workspace.folder(`${client}-home`)
  // Its lockfile names the registry's own address.
  const more = client.startsWith('npm') ? ['--replace-registry-host=always'] : []
  const args = [...findClient(client).frozen, ...more]
  await mustRunClient(client, args, { cwd, home, registry: url, env: NO_RETRIES })
  return [...(await readInstalled(cwd)).keys()].sort()
}

test(
  'npm ci here, then pnpm install there with the registry gone',
  { timeout: 60_000, tags: ['long'] },
  async () => {
    const [npmProject, pnpmProject] = [await locked('npm-11'), await locked('pnpm-10')]
    const first = await swarm.machine({ privateScopes: ['@hidden'] })
    const second = await swarm.machine()
    await meet(second.node, first.node, 0) // alone it would wait for half a minute
    swarm.registry.forget()
    const all = ['@fx/scoped@2.0.0', '@hidden/one@1.0.0', 'fx-leaf@1.0.0']
    expect(await frozen('npm-11', npmProject, first)).toEqual(all)
    const versionOf = ({ name, version }: { name: string; version: string }) => ({
      registry: `${swarm.registry.url}/`,
      ...{ name, version },
    })
    await vi.waitFor(() => {
      for (const each of [leaf, scoped])
        expect(first.node.findRecord(versionOf(each))).toBeDefined()
    }, 15_000)
    // Versions' own documents, of what is public, and nothing twice.
    const asked = swarm.registry.requests.filter(({ kind }) => kind === 'packument')
    expect(asked.map(({ path }) => path).sort()).toEqual(['/@fx/scoped/2.0.0', '/fx-leaf/1.0.0'])
    expect(first.node.findRecord(versionOf(hidden))).toBeUndefined()

    await fetch(`${second.url}/${hidden.name}/-/one-1.0.0.tgz`).then((each) => each.arrayBuffer())
    await swarm.registry.stop()
    await vi.waitFor(() => {
      for (const each of [leaf, scoped]) {
        const holders = second.node.questions.holders(nameKeyOf(versionOf(each)))
        expect(holders).toContain(first.node.id)
      }
    })
    expect(await frozen('pnpm-10', pnpmProject, second)).toEqual(all)
  },
)
