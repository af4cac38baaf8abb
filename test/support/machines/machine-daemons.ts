/**
 * Daemons on machines made of network namespaces, which really install: one of them from a registry on its own machine, the
 * others from peers.
 */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { mustRunClient, type Workspace } from '../client.ts'
import { findClient, whyUnavailable } from '../clients.ts'
import { eventually, startDaemon, type Daemon } from '../daemon.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../fixture-packages.ts'
import { asInstalled, readInstalled } from '../installed.ts'
import type { Place } from './namespace-tools.ts'
import { repositoryRoot } from '../source-tree.ts'

const CLIENT = 'npm-11'
const GATEWAY_PORT = 4874
export const PEER_PORT = 4875
export const FIND_TIMEOUT_MS = 60_000
/** Nobody answers there. */
export const NO_UPSTREAM = 'http://127.0.0.1:1'

const packages = fixturePackages()
const expected = expectedInstall(packages)

type Machine = Place & { readonly name: string }

/** A suite that needs machines of its own and a client to install with; skipped, and why is said, where one of them is not to be had. */
export function describeMachines(name: string, whyNot: string | undefined, suite: () => void) {
  const reason = whyNot ?? whyUnavailable(findClient(CLIENT))
  if (reason !== undefined) console.warn(`skipped: ${reason}`)
  describe.skipIf(reason !== undefined)(name, suite)
}

export async function startOn(
  machine: Machine,
  workspace: Workspace,
  upstream: string,
  args: readonly string[],
): Promise<Daemon> {
  const ports = ['--port', String(GATEWAY_PORT), '--network.port', String(PEER_PORT)]
  const store = ['--store', await workspace.folder(`store-${machine.name}`)]
  return startDaemon({
    args: [...ports, ...store, '--upstream', upstream, ...args],
    home: await workspace.folder(`home-${machine.name}`),
    port: GATEWAY_PORT,
    place: machine,
  })
}

/** Installs the fixture project, from `lockfile` if there is one; returns the lockfile. */
export async function installOn(
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

/** @param wall what it gives to nobody but who shows the second: a pattern, and an Authorization header */
export async function startRegistryOn(
  machine: Machine,
  wall: readonly [pattern: string, authorization: string] | readonly [] = [],
): Promise<AsyncDisposable & { url: string }> {
  const script = join(repositoryRoot, 'test', 'support', 'registries', 'registry-process.ts')
  const child = machine.spawn(process.execPath, [script, ...wall], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
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

export async function expectPeers(daemon: Daemon, count: number): Promise<void> {
  await eventually(async () => expect(await daemon.peers()).toHaveLength(count), FIND_TIMEOUT_MS)
}

/** Somebody that it is connected to says to hold what the fixture project needs. */
export async function expectArtifacts(daemon: Daemon): Promise<void> {
  await eventually(async () => {
    const heard = (await daemon.peers()).map((each) => each.artifacts)
    expect(Math.max(0, ...heard)).toBeGreaterThanOrEqual(expected.size)
  }, FIND_TIMEOUT_MS)
}

/** With no registry and a store that was empty: what the store gave had come from peers before it was asked for. */
export async function expectAllFromPeers(daemon: Daemon): Promise<void> {
  const { peer, store, origin } = (await daemon.status()).gateway.tarballs
  expect(peer.artifacts).toBeGreaterThan(0)
  expect(peer.artifacts + store.artifacts).toBeGreaterThanOrEqual(expected.size)
  expect(origin.artifacts).toBe(0)
}
