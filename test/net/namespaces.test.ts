/**
 * Three daemons on three machines of one network (Linux network namespaces on a bridge): they find each
 * other by mDNS alone; without it by one address and peer exchange; and the same where no UDP gets
 * through. Each time they really install: B from A, then C from B when A is gone.
 */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { whyUnavailable, findClient } from '../support/clients.ts'
import { eventually, startDaemon, type Daemon } from '../support/daemon.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { createLan, whyNoNamespaces, type Machine } from '../support/namespaces.ts'
import { repositoryRoot } from '../support/source-tree.ts'

const CLIENT = 'npm-11'
const GATEWAY_PORT = 4874
const PEER_PORT = 4875
const FIND_TIMEOUT_MS = 60_000
/** Nobody answers there. */
const NO_UPSTREAM = 'http://127.0.0.1:1'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const reason = (await whyNoNamespaces()) ?? whyUnavailable(findClient(CLIENT))
if (reason !== undefined) console.warn(`skipped: ${reason}`)

interface Scenario {
  readonly name: string
  readonly isUdpDropped: boolean
  /** What each daemon is told, given the address of the first one (undefined for itself). */
  argsFor(first: { ipv4: string; id: string } | undefined): readonly string[]
}

const scenarios: readonly Scenario[] = [
  {
    name: 'by mDNS alone',
    isUdpDropped: false,
    argsFor: () => ['--no-dht', '--no-peer-exchange'],
  },
  {
    name: 'by one address and peer exchange',
    isUdpDropped: false,
    argsFor: (first) => ['--no-mdns', '--no-dht', ...bootstrapOn(first, 'udp')],
  },
  {
    name: 'by one address and peer exchange where no UDP gets through',
    isUdpDropped: true,
    argsFor: (first) => ['--no-mdns', '--no-dht', ...bootstrapOn(first, 'tcp')],
  },
]

describe.skipIf(reason !== undefined)('three machines find each other and install', () => {
  test.each(scenarios)('$name', { timeout: 240_000 }, async (scenario) => {
    await using lan = await createLan(['a', 'b', 'c'])
    await using workspace = await createWorkspace()
    const [a, b, c] = lan.machines as [Machine, Machine, Machine]
    if (scenario.isUdpDropped) for (const machine of lan.machines) await machine.dropUdp()

    await using registry = await startRegistryOn(a)
    await using daemonA = await startOn(a, workspace, registry.url, scenario.argsFor(undefined))
    const first = { ipv4: a.ipv4, id: (await daemonA.status()).node.id }
    const lockfile = await installOn(a, workspace, daemonA)

    await using daemonB = await startOn(b, workspace, NO_UPSTREAM, scenario.argsFor(first))
    await using daemonC = await startOn(c, workspace, NO_UPSTREAM, scenario.argsFor(first))
    for (const daemon of [daemonA, daemonB, daemonC]) await expectPeers(daemon, 2)

    await expectArtifacts(daemonB, expected.size)
    await installOn(b, workspace, daemonB, lockfile)
    await expectAllFromPeers(daemonB)

    await daemonA.stop()
    await eventually(async () => expect(await daemonC.peers()).toHaveLength(1), FIND_TIMEOUT_MS)
    await expectArtifacts(daemonC, expected.size)
    await installOn(c, workspace, daemonC, lockfile)
    await expectAllFromPeers(daemonC)

    const transports = (await daemonC.peers()).map((each) => each.transport)
    expect(transports).toEqual([scenario.isUdpDropped ? 'tcp' : 'quic'])
  })
})

function bootstrapOn(
  first: { ipv4: string; id: string } | undefined,
  transport: 'udp' | 'tcp',
): string[] {
  if (first === undefined) return []
  const port = transport === 'udp' ? `udp/${PEER_PORT}/quic-v1` : `tcp/${PEER_PORT}`
  return ['--bootstrap', `/ip4/${first.ipv4}/${port}/p2p/${first.id}`]
}

async function startOn(
  machine: Machine,
  workspace: Workspace,
  upstream: string,
  args: readonly string[],
): Promise<Daemon> {
  const ports = ['--port', String(GATEWAY_PORT), '--network.port', String(PEER_PORT)]
  const store = ['--store', await workspace.folder(`store-${machine.name}`)]
  return startDaemon({
    args: [...ports, ...store, '--upstream', upstream, '--no-upnp', ...args],
    home: await workspace.folder(`home-${machine.name}`),
    port: GATEWAY_PORT,
    prefix: machine.prefix,
  })
}

/** Installs the fixture project, from `lockfile` if there is one; returns the lockfile. */
async function installOn(
  machine: Machine,
  workspace: Workspace,
  daemon: Daemon,
  lockfile?: string,
): Promise<string> {
  const client = findClient(CLIENT)
  const cwd = await workspace.folder('project')
  const home = await workspace.folder('home')
  const { prefix } = machine
  await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject, null, 2))
  if (lockfile !== undefined) await writeFile(join(cwd, client.lockfile), lockfile)
  const args = lockfile === undefined ? client.install : client.frozen
  // Says of every request how it ended: one that hangs is the one that is missing.
  const env = { npm_config_loglevel: 'http' }
  try {
    await mustRunClient(CLIENT, args, { cwd, home, registry: daemon.url, prefix, env })
  } catch (error) {
    throw new Error(`the daemon of ${machine.name} said:\n${daemon.output().slice(-4000)}`, {
      cause: error,
    })
  }
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
  return readFile(join(cwd, client.lockfile), 'utf8')
}

async function startRegistryOn(machine: Machine): Promise<AsyncDisposable & { url: string }> {
  const script = join(repositoryRoot, 'test', 'support', 'registry-process.ts')
  const child = machine.spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [line] = (await Promise.race([
    once(child.stdout ?? child, 'data'),
    ended.then(() => Promise.reject(new Error('the registry did not start'))),
  ])) as [Buffer]
  return {
    url: line.toString().trim(),
    async [Symbol.asyncDispose]() {
      child.stdin?.end()
      await ended
    },
  }
}

async function expectPeers(daemon: Daemon, count: number): Promise<void> {
  await eventually(async () => expect(await daemon.peers()).toHaveLength(count), FIND_TIMEOUT_MS)
}

/** Somebody that it is connected to says to hold so many. */
async function expectArtifacts(daemon: Daemon, count: number): Promise<void> {
  await eventually(async () => {
    const heard = (await daemon.peers()).map((each) => each.artifacts)
    expect(Math.max(0, ...heard)).toBeGreaterThanOrEqual(count)
  }, FIND_TIMEOUT_MS)
}

async function expectAllFromPeers(daemon: Daemon): Promise<void> {
  const { tarballs } = (await daemon.status()).gateway
  expect(tarballs.peer.artifacts).toBeGreaterThanOrEqual(expected.size)
  expect(tarballs.origin.artifacts).toBe(0)
}
