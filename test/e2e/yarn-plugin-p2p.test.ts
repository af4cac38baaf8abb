/**
 * `p2p:` under a real Yarn 4: packages that no registry has, from a peer's real node to the daemon of this machine, which has
 * peers only; and what a registry may have under the same name is never asked for.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, type CatalogNode } from '@catalog-p2p/core'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { eventually, startDaemon, type Daemon } from '../support/daemon.ts'
import { ALONE } from '../support/exec-run.ts'
import { fixturePackages, makePackage } from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { meet, quietNode, startMachine } from '../support/machines/machine.ts'
import { annsKey, networkMachines } from '../support/machines/network-machine.ts'
import { packageOf, signalOf } from '../support/registries/publishing.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import { packTarball } from '../support/tarball.ts'
import {
  mustRunYarn,
  packPlugin,
  runYarn,
  startRelay,
  type YarnRun,
} from '../support/yarn-plugin.ts'

const rangeOf = (of: { version: string; integrity: string }): string =>
  `p2p:${of.version}#${of.integrity}`

const leaf = fixturePackages().filter((each) => each.name === 'fx-leaf')
const below = makePackage('@fx/below', '2.0.0-rc.1')
const only = makePackage('fx-only', '1.0.0', {
  bin: 'index.js',
  dependencies: { '@fx/below': rangeOf(below), 'fx-leaf': '^1.0.0' },
})
const bare = packTarball([{ path: 'readme.md', content: 'no package.json here' }])
const wordy = packTarball([{ path: 'package.json', content: ' '.repeat(5_000_000) }])
/** A megabyte that becomes more than a gigabyte. */
const bomb = Buffer.concat(Array<Buffer>(17).fill(gzipSync(Buffer.alloc(64 * 1024 * 1024))))
const held = [only.tarball, below.tarball, bare, wordy, bomb]
/** Somebody takes the names at the registry. */
const squatters = [
  makePackage('fx-only', '1.0.0', { description: 'of somebody else' }),
  makePackage('fx-only', '9.0.0', { description: 'of somebody else' }),
  makePackage('@fx/below', '2.0.0-rc.1', { description: 'of somebody else' }),
]
/** But the registry. */
const nobodyHas = rangeOf(squatters[0]!)
const manifest = { name: 'on-the-network', dependencies: { 'fx-only': rangeOf(only) } }

let workspace: Workspace
let registry: LoopbackRegistry
/** The only one that has them. */
let holder: CatalogNode
let daemon: Daemon
let plugin: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [...leaf, ...squatters], tarballs: 'self' })
  plugin = await packPlugin()
  holder = await quietNode()
  for (const tarball of held) await holder.put(tarball)
  const address = holder.stats().addresses.find((each) => each.includes('/quic-v1')) ?? ''
  const [home, port] = [await workspace.folder('daemon'), await freePort()]
  const own = ['--port', String(port), '--store', join(home, 'store')]
  const args = [...ALONE, ...own, '--peers-only', '--bootstrap', address]
  daemon = await startDaemon({ args, home, port })
  await eventually(async () => {
    const heard = (await daemon.peers()).map(({ artifacts }) => artifacts)
    if (heard[0] !== held.length) throw new Error(`heard of ${heard.join()} artifacts`)
  }, 20_000)
})

afterAll(async () => {
  await daemon[Symbol.asyncDispose]()
  await holder.close()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

beforeEach(() => registry.forget())

interface Setup {
  readonly manifest?: object
  readonly daemon?: string
  readonly lockfile?: string
}

async function project(setup: Setup = {}): Promise<YarnRun> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(setup.manifest ?? manifest))
  await writeFile(join(cwd, 'yarn.lock'), setup.lockfile ?? '')
  const settings = [
    'nodeLinker: node-modules',
    `catalogDaemonUrl: '${setup.daemon ?? daemon.url}'`,
    'catalogStartDaemon: false',
    'plugins:',
    `  - path: '${plugin.replaceAll('\\', '/')}'`,
  ]
  return { cwd, home: await workspace.folder('home'), registry: registry.url, settings }
}

const expected = asInstalled(
  [only, below, ...leaf],
  new Set(['fx-only@1.0.0', '@fx/below@2.0.0-rc.1', 'fx-leaf@1.3.0']),
)
const fresh = ['install', '--no-immutable']

const readLockfile = ({ cwd }: YarnRun): Promise<string> => readFile(join(cwd, 'yarn.lock'), 'utf8')

/** What the registry was asked about the names that are not to be had from it. */
function askedForOurs(): string[] {
  const paths = registry.requests.map(({ path }) => decodeURIComponent(path))
  return paths.filter((path) => /fx-only|below/.test(path))
}

describe('a daemon with peers only', () => {
  test('gets packages that a peer alone has; their dependencies come from wherever they are', async () => {
    const run = await project()
    const output = await mustRunYarn(fresh, run)
    expect(output).toContain('Catalog P2P: 2 packages by the daemon (2 from peers)')
    expect(await readInstalled(run.cwd)).toEqual(expected)
    expect(askedForOurs()).toEqual([])

    const lockfile = await readLockfile(run)
    expect(lockfile).toContain(`resolution: "fx-only@${rangeOf(only)}"`)
    expect(lockfile).toContain(`"@fx/below": "${rangeOf(below)}"`)
    // On another machine, from the lockfile alone; and once more with all of it resolved anew.
    for (const env of [{}, { YARN_ENABLE_HARDENED_MODE: '1' }]) {
      const other = await project({ lockfile })
      await mustRunYarn(['install', '--immutable'], { ...other, env })
      expect(await readInstalled(other.cwd)).toEqual(expected)
      expect(await readLockfile(other)).toBe(lockfile)
    }
    await mustRunYarn(['install', '--immutable', '--check-cache'], run)
    expect(askedForOurs()).toEqual([])
  })

  test('yarn add and yarn remove leave the lockfile that an install makes', async () => {
    const run = await project({ manifest: { name: 'empty' } })
    await mustRunYarn(fresh, run)
    const before = await readLockfile(run)
    await mustRunYarn(['add', `fx-only@${rangeOf(only)}`], run)
    expect(await readInstalled(run.cwd)).toEqual(expected)
    expect(await readFile(join(run.cwd, 'package.json'), 'utf8')).toContain(rangeOf(only))
    await mustRunYarn(['install', '--immutable'], run)
    await mustRunYarn(['remove', 'fx-only'], run)
    expect(await readLockfile(run)).toBe(before)
    expect(askedForOurs()).toEqual([])
  })

  const of = (name: string, range: string): object => ({
    name: 'bad',
    dependencies: { [name]: range },
  })
  test.each([
    ['a range', of('fx-only', 'p2p:^1.0.0'), 'write the exact version and the sha512'],
    ['a tag', of('fx-only', 'p2p:latest'), 'peers do not have yet, and no registry is asked'],
    ['a hash that nobody has', of('fx-only', nobodyHas), 'the daemon answers 404: no peer has it'],
    ['another name', of('fx-leaf', rangeOf(only)), 'the archive of that hash is fx-only@1.0.0'],
    [
      'another version',
      of('fx-only', rangeOf({ ...only, version: '9.0.0' })),
      'the archive of that hash is fx-only@1.0.0',
    ],
    [
      'what is no package',
      of('fx-only', `p2p:1.0.0#${digestOf(bare)}`),
      'its archive holds no package.json',
    ],
    ['a flood', of('fx-only', `p2p:1.0.0#${digestOf(wordy)}`), 'its package.json is larger than'],
    ['a bomb', of('fx-only', `p2p:1.0.0#${digestOf(bomb)}`), 'it unpacks to more than'],
  ])('%s fails the install, and the registry is not asked', async (_what, bad, words) => {
    const run = await project({ manifest: bad })
    const { exitCode, output } = await runYarn(fresh, run)
    expect(exitCode).not.toBe(0)
    expect(output).toContain(words)
    expect(registry.requests).toEqual([])
    expect(await readLockfile(run)).toBe('')
  })
})

describe('another daemon', () => {
  test('that has a registry, and its metadata, does not take the package of that name there', async () => {
    await using machine = await startMachine({ upstream: registry.url })
    await meet(machine.node, holder, held.length)
    const run = await project({ daemon: machine.url })
    for (const name of ['fx-only', '@fx%2fbelow']) await fetch(`${machine.url}/${name}`)
    expect(askedForOurs()).toHaveLength(2)
    registry.forget()
    await mustRunYarn(fresh, run)
    expect(await readInstalled(run.cwd)).toEqual(expected)
    // The registry has these very bytes, and no peer does.
    const of = { name: 'bad', dependencies: { 'fx-only': nobodyHas } }
    const { output } = await runYarn(fresh, await project({ daemon: machine.url, manifest: of }))
    expect(output).toContain('fx-only@1.0.0: the daemon answers 404: no peer has it')
    expect(askedForOurs()).toEqual([])
  })

  test('that trusts the publisher gets what an Asset ID is of, and nothing else', async () => {
    await using world = await networkMachines()
    const [here, there] = [await world.machine('here', annsKey), await world.machine('there')]
    await meet(there.node, here.node, 0)
    const [name, version] = ['@acme/tool', '1.0.0']
    const { publications } = here.node
    const { assetId } = await publications.publish(packageOf(name, version), annsKey, signalOf())
    const setup = (range: string): Setup => ({
      daemon: there.url,
      manifest: { name: 'on-the-network', dependencies: { [name]: range } },
    })
    const run = await project(setup(`p2p:${assetId}`))
    await mustRunYarn(fresh, run)
    const lockfile = await readLockfile(run)
    expect(lockfile).toContain(`resolution: "${name}@p2p:${assetId}"`)
    const other = await project({ ...setup(`p2p:${assetId}`), lockfile })
    await mustRunYarn(['install', '--immutable'], other)
    expect((await readInstalled(other.cwd)).has(`${name}@${version}`)).toBe(true)

    const forged = assetId.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    const wrong = await runYarn(fresh, await project(setup(`p2p:${forged}`)))
    expect(wrong.output).toContain('what the daemon has under that name has not the root')
    const elses = await runYarn(
      fresh,
      await project(setup(`p2p:${assetId.replace('tool', 'saw')}`)),
    )
    expect(elses.output).toContain('its Asset ID is of @acme/saw')
    expect(registry.requests).toEqual([])
  })

  test('that has other bytes fails the install', async () => {
    await using relay = await startRelay(daemon.url)
    relay.change = ({ path }) => (path.endsWith('.tgz') ? squatters[0]!.tarball : undefined)
    const { exitCode, output } = await runYarn(fresh, await project({ daemon: relay.url }))
    expect(exitCode).not.toBe(0)
    expect(output).toContain(`fx-only@1.0.0 is not what its range says: expected ${only.integrity}`)
    expect(askedForOurs()).toEqual([])
  })

  test('that is not there is asked for in words', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    const { exitCode, output } = await runYarn(fresh, await project({ daemon: nobody }))
    expect(exitCode).not.toBe(0)
    expect(output).toContain('fx-only@1.0.0: its p2p: range needs the Catalog P2P daemon')
    expect(askedForOurs()).toEqual([])
  })
})
