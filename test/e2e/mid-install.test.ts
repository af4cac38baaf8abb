/**
 * Failure of any part in the middle of an install, for every package manager: peers that lie or leave, an upstream that
 * fails, stalls and cuts off, a daemon that is killed. The install ends as it would without us, or better.
 *
 * The oldest and newest of every client meet each of the three kinds once, with its own retries off where it lets us, so that what is shown is
 * the gateway's doing. What upstream's lasting faults become is one code path of the gateway's (a status, or an answer that
 * breaks off), so these are run, beside the same upstream asked directly, by one client of each way of fetching: npm's
 * pacote, pnpm's own, Yarn's (the one that checks no hash), Bun's. The Yarn plugin has its own tests.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '@catalog-p2p/core'
import { createWorkspace, mustRunClient, runClient, type Workspace } from '../support/client.ts'
import {
  ends,
  findClient,
  NO_RETRIES,
  tagsOf,
  whyUnavailable,
  type ClientName,
} from '../support/clients.ts'
import { pidOf, startDaemon, type Daemon } from '../support/daemon.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  type FixturePackage,
} from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import { answering, hostilePeer, serving, type HostilePeer } from '../support/hostile-peer.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startMachine } from '../support/machines/machine.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Fault, type FaultyUpstream } from '../support/registries/upstream.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const manifest = JSON.stringify(fixtureProject)

let workspace: Workspace
let upstream: FaultyUpstream

beforeAll(async () => {
  workspace = await createWorkspace()
  upstream = await startUpstream(packages)
})

afterAll(async () => {
  await upstream.stop()
  await workspace[Symbol.asyncDispose]()
})

beforeEach(() => upstream.forget())
afterEach(() => upstream.heal())

const DEADLINE_MS = 60_000

/** How clients say that a connection broke. */
const BROKEN = /ECONNRE|connect|socket|network|fetch|terminated|closed|error sending request/i
/** It says only this now and then, as it does when a registry itself goes away under it. */
const NPM_10_BROKEN = new RegExp(`${BROKEN.source}|Exit handler never called`, 'i')

interface Place {
  readonly cwd: string
  readonly home: string
}

async function place(): Promise<Place> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), manifest)
  return { cwd, home: await workspace.folder('home') }
}

const run = (name: ClientName, at: Place, registry: string) =>
  runClient(name, findClient(name).install, {
    ...at,
    registry: registry.replace(/\/$/, ''),
    timeoutMs: DEADLINE_MS,
    env: NO_RETRIES, // so that the client is not the one to be tested
  })

async function expectInstalled({ cwd }: Place): Promise<void> {
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
}

const tarballOf = (name: string): RegExp => new RegExp(`/${name}/-/`)

for (const { name } of ends) describe(name, { tags: tagsOf(name) }, () => suiteOf(name))

function suiteOf(name: ClientName): void {
  const unavailable = whyUnavailable(findClient(name))

  test('installs when upstream fails, stalls and cuts off, each once', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using machine = await startMachine({ upstream: upstream.url })
    const faults: [RegExp, Fault][] = [
      [tarballOf('fx-tiny-0'), { kind: 'status', status: 500 }],
      [tarballOf('fx-tiny-1'), { kind: 'status', status: 503 }],
      [tarballOf('fx-tiny-2'), { kind: 'truncate', bytes: 30 }],
      [tarballOf('fx-big'), { kind: 'truncate', bytes: 3_000_000 }],
      [tarballOf('fx-tiny-3'), { kind: 'reset' }],
      [tarballOf('fx-tiny-4'), { kind: 'hold', until: sleep(1_000) }],
      [/\/fx-leaf$/, { kind: 'status', status: 500 }],
      [/\/fx-dev$/, { kind: 'reset' }],
      [/\/fx-tree$/, { kind: 'hold', until: sleep(1_000) }],
    ]
    for (const [match, fault] of faults) upstream.fault(match, fault, 1)
    const at = await place()
    const { exitCode, output } = await run(name, at, machine.url)
    expect(exitCode, output).toBe(0)
    await expectInstalled(at)
    for (const [match, { kind }] of faults) {
      expect(upstream.count(match), String(match)).toBeGreaterThanOrEqual(kind === 'hold' ? 1 : 2)
    }
  })

  test('installs when every peer lies or leaves', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using machine = await startMachine({ upstream: upstream.url })
    await using liar = await peerThat(serving(Buffer.alloc(50_000, 7), 64 * 1024))
    await using leaver = await peerThat(async (_request, { stream }) => {
      await stream.write(Buffer.from([0, 0]))
      stream.abort(new Error('leaving in the middle'))
    })
    for (const peer of [liar, leaver]) {
      await peer.host.connect(addressOf(machine.node), { signal: AbortSignal.timeout(10_000) })
    }
    await until(() => {
      const met = machine.node.peers().filter(({ artifacts }) => artifacts >= packages.length)
      return met.length === 2
    })
    const at = await place()
    const { exitCode, output } = await run(name, at, machine.url)
    expect(exitCode, output).toBe(0)
    await expectInstalled(at)
    expect(machine.gateway.stats().tarballs.peer.artifacts).toBe(0)
    expect(machine.node.stats().misbehaviour).toBeGreaterThan(0)
    expect(machine.node.stats().bannedPeers).toBeGreaterThan(0)
    expect(liar.streams + leaver.streams).toBeGreaterThan(1)
  })

  test('says so soon when the daemon is killed, and installs once it is back', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const port = await freePort()
    const home = await workspace.folder('daemon')
    const start = (): Promise<Daemon> => startDaemon({ ...daemonArgs(home, port), home, port })
    const at = await place()
    {
      await using daemon = await start()
      const pid = await pidOf(join(home, 'store'))
      const killed = Promise.withResolvers<void>()
      upstream.fault(tarballOf('fx-tiny-5'), { kind: 'hold', until: killed.promise })
      const running = run(name, at, daemon.url)
      // In the middle: it has asked for a tarball, and has not got it.
      await until(() => upstream.count(tarballOf('fx-tiny-5')) > 0, { deadlineMs: DEADLINE_MS })
      process.kill(pid, 'SIGKILL')
      const { exitCode, output } = await running
      killed.resolve()
      expect(output).not.toContain('(killed: still running')
      expect(exitCode).not.toBe(0)
      expect(output).toMatch(name === 'npm-10' ? NPM_10_BROKEN : BROKEN)
      upstream.heal()
    }
    await using again = await start()
    const { exitCode, output } = await run(name, at, again.url)
    expect(exitCode, output).toBe(0)
    await expectInstalled(at)
  })
}

for (const name of ['npm-11', 'npm-12', 'pnpm-12', 'yarn-4', 'bun'] as const) {
  describe(`${name} beside a faulty upstream`, { tags: tagsOf(name) }, () => {
    const unavailable = whyUnavailable(findClient(name))

    test.for<[string, RegExp, Fault, 'as alone' | 'better']>([
      [
        'a tarball that is always 500',
        tarballOf('fx-colors'),
        { kind: 'status', status: 500 },
        'as alone',
      ],
      ['a tarball of other bytes', tarballOf('fx-host'), { kind: 'wrong-bytes' }, 'as alone'],
      // Each answer ends after two megabytes; the gateway asks for the rest.
      [
        'a tarball in pieces',
        tarballOf('fx-big'),
        { kind: 'truncate', bytes: 2_000_000 },
        'better',
      ],
      [
        'metadata that is cut off',
        /\/fx-leaf$/,
        { kind: 'body', body: '{"name":"fx-leaf","vers' },
        'as alone',
      ],
    ])('%s', async ([, match, fault, ending], { skip }) => {
      if (unavailable !== undefined) skip(unavailable)
      await using machine = await startMachine({ upstream: upstream.url })
      upstream.fault(match, fault)
      const direct = await place()
      const alone = await run(name, direct, upstream.url)
      const through = await place()
      const ours = await run(name, through, machine.url)
      expect(ours.output).not.toContain('(killed: still running')
      // Yarn 4 checks no hash on a first fetch: directly it takes whatever comes.
      const isTrusting = name === 'yarn-4' && fault.kind === 'wrong-bytes'
      if (!isTrusting) expect(alone.exitCode).not.toBe(0)
      if (ending === 'better') expect(ours.exitCode, ours.output).toBe(0)
      else expect(ours.exitCode).not.toBe(0)
      // Whatever it left behind, it is what the package holds.
      const left = await readInstalled(through.cwd)
      const whole = asInstalled(packages, new Set(left.keys()))
      expect([...left].filter(([id, files]) => !isPartOf(files, whole.get(id) ?? {}))).toEqual([])
      // The daemon is none the worse for it.
      upstream.heal()
      await mustRunClient(name, findClient(name).install, { ...through, registry: machine.url })
      await expectInstalled(through)
    })
  })
}

function isPartOf(
  files: Readonly<Record<string, string>>,
  whole: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(files).every(([path, hash]) => whole[path] === hash)
}

function daemonArgs(home: string, port: number): { args: string[] } {
  const off = ['mdns', 'dht', 'upnp', 'relay-client', 'peer-exchange']
  const network = ['--network.port', '0', '--loopback-only', ...off.map((each) => `--no-${each}`)]
  const own = ['--port', String(port), '--store', join(home, 'store'), '--upstream', upstream.url]
  return { args: [...own, ...network] }
}

function addressOf(node: { stats(): { addresses: readonly string[] } }): string {
  const address = node.stats().addresses.find((each) => each.includes('/quic-v1'))
  if (address === undefined) throw new Error('the node listens on no QUIC address')
  return address
}

/** Says that it holds everything, and answers like this. */
function peerThat(answer: Parameters<typeof answering>[0]): Promise<HostilePeer> {
  const claims = packages.map((each: FixturePackage) => ({
    digest: each.integrity as Digest,
    bytes: each.tarball,
  }))
  return hostilePeer({ claims, behave: answering(answer) })
}
