/**
 * What every package manager must be able to do, in one table: install through a gateway, then on
 * another machine with the registry gone, every byte of every package from the first machine over
 * QUIC. Peers bring packages; metadata comes from the machine's own cache of an earlier visit.
 */
import type { CatalogNode } from '@catalog-p2p/core'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  mustRunClient,
  type Workspace,
} from '../support/client.ts'
import { clients, tagsOf, whyUnavailable, type Client } from '../support/clients.ts'
import type { DaemonStatus } from '../support/daemon.ts'
import {
  BIG_PACKAGE_BYTES,
  expectedInstall,
  fixturePackages,
  fixtureProject,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const manifest = `${JSON.stringify(fixtureProject, null, 2)}\n`

let workspace: Workspace
let registry: LoopbackRegistry
/** Machine A's node; its gateway is there only while lockfiles are made. */
let nodeA: CatalogNode

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages })
  nodeA = await quietNode({ store: { path: await workspace.folder('store-a') } })
})

afterAll(async () => {
  await nodeA.close()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

for (const client of clients) {
  describe(client.name, { tags: tagsOf(client.name) }, () => suiteOf(client))
}

function suiteOf(client: Client): void {
  const unavailable = whyUnavailable(client)
  let lockfile: string | undefined
  let portA = 0
  let b: Machine | undefined

  afterAll(async () => {
    await b?.[Symbol.asyncDispose]()
    await registry.restart()
  })

  test('makes a lockfile and installs through a gateway', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using a = await startMachine({ upstream: registry.url, node: nodeA })
    portA = a.port
    const { cwd, home } = await project()

    await mustRunClient(client.name, client.install, { cwd, home, registry: a.url })

    await expectInstalled(cwd, home)
    lockfile = await readFile(join(cwd, client.lockfile), 'utf8')
    if (client.hasPortableLockfile) expect(lockfile).not.toMatch(/127\.0\.0\.1|localhost/)
    else expect(lockfile).toContain(`127.0.0.1:${portA}`)
  })

  test('installs from the lockfile, all of it from the peer', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    if (lockfile === undefined) throw new Error('there is no lockfile: see the test before')
    // A lockfile that names its gateway works where the gateway has the same address.
    const port = client.hasPortableLockfile ? 0 : portA
    b = await startMachine({ upstream: registry.url, port })
    await visit(b)
    await registry.stop()
    registry.forget()
    await meet(b.node, nodeA, expected.size)
    const { cwd, home } = await project()
    await writeFile(join(cwd, client.lockfile), lockfile)

    await mustRunClient(client.name, client.frozen, { cwd, home, registry: b.url })

    await expectInstalled(cwd, home)
    expect(await readFile(join(cwd, client.lockfile), 'utf8')).toBe(lockfile)
    expect(registry.count()).toBe(0)
    const response = await fetch(`${b.url}/-/catalog/status`)
    const { tarballs } = ((await response.json()) as DaemonStatus).gateway
    expect(tarballs.peer.artifacts).toBeGreaterThanOrEqual(expected.size)
    expect(tarballs.peer.bytes).toBeGreaterThan(BIG_PACKAGE_BYTES)
    expect(tarballs.origin).toEqual({ artifacts: 0, bytes: 0 })
    const connections = b.node.peers().map(({ peer, transport }) => ({ peer, transport }))
    expect(connections).toEqual([{ peer: nodeA.id, transport: 'quic' }])
  })

  test('installs afresh from metadata that the gateway has seen', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    if (b === undefined) throw new Error('there is no machine B: see the test before')
    const { cwd, home } = await project()

    await mustRunClient(client.name, client.install, { cwd, home, registry: b.url })

    await expectInstalled(cwd, home)
    expect(registry.count()).toBe(0)
    expect(b.gateway.stats().tarballs.origin.artifacts).toBe(0)
  })
}

/** A new project, and a new home with nothing in any cache. */
async function project(): Promise<{ cwd: string; home: string }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), manifest)
  return { cwd, home: await workspace.folder('home') }
}

/** What an earlier install on this machine has left in the gateway's cache. */
async function visit(machine: Machine): Promise<void> {
  const forms = ['application/json', 'application/vnd.npm.install-v1+json']
  for (const name of new Set(packages.map((each) => each.name))) {
    for (const accept of forms) {
      const url = `${machine.url}/${name.replace('/', '%2f')}`
      const response = await fetch(url, { headers: { accept } })
      expect(response.status, url).toBe(200)
      await response.arrayBuffer()
    }
  }
}

/** Every package, every file, every byte, and a program that runs. */
async function expectInstalled(cwd: string, home: string): Promise<void> {
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
  const isWindows = process.platform === 'win32'
  const program = join(cwd, 'node_modules', '.bin', isWindows ? 'fx-hello.cmd' : 'fx-hello')
  const [command, args] = isWindows ? ['cmd.exe', ['/c', program]] : [program, []]
  const ran = await execute(command, args, {
    cwd,
    env: isolatedEnvironment(home),
    timeoutMs: 20_000,
  })
  expect(ran.output.trim()).toBe('hello from @fx/cli with fx-colors@1.4.0')
}
