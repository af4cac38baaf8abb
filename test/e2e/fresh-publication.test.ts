/**
 * A version published a moment ago, of a registry that wants to be asked each time: it is there for every client, though the
 * gateway, and the client before, have seen the package without it.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, tagsOf, whyUnavailable, type ClientName } from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'

const NAMES = ['npm-12', 'npm-10', 'pnpm-10', 'pnpm-12', 'yarn-1', 'yarn-4', 'bun', 'deno'] as const

let workspace: Workspace
let upstream: FaultyUpstream
let machine: Machine

beforeAll(async () => {
  workspace = await createWorkspace()
  upstream = await startUpstream(NAMES.map((name) => makePackage(`fx-${name}`, '1.0.0')))
  upstream.documentHeaders = { 'cache-control': 'no-cache' }
  machine = await startMachine({ upstream: upstream.url })
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

for (const name of NAMES) describe(name, { tags: tagsOf(name) }, () => suiteOf(name))

function suiteOf(name: ClientName): void {
  test.for(['1.1.0', 'latest'])('installs %s', async (wanted, { skip }) => {
    const unavailable = whyUnavailable(findClient(name))
    if (unavailable !== undefined) skip(unavailable)
    await install('1.0.0')
    // Another client has asked for the other form meanwhile.
    for (const accept of ['application/json', 'application/vnd.npm.install-v1+json']) {
      await (await fetch(`${machine.url}/fx-${name}`, { headers: { accept } })).text()
    }
    const version = wanted === 'latest' ? '1.2.0' : wanted
    upstream.add(makePackage(`fx-${name}`, version))
    const cwd = await install(wanted)
    expect(await readFile(join(cwd, findClient(name).lockfile), 'utf8')).toContain(version)
  })

  async function install(version: string): Promise<string> {
    const cwd = await workspace.folder('project')
    const home = await workspace.folder('home')
    const dependencies = { [`fx-${name}`]: version }
    const manifest = { name: 'p', version: '1.0.0', dependencies }
    await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
    const client = findClient(name)
    await mustRunClient(name, client.install, { cwd, home, registry: machine.url })
    return cwd
  }
}
