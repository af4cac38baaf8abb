/**
 * The Yarn plugin, as npm packs it, under a real Yarn 4: the lockfile is the one that Yarn makes without it, every byte is
 * checked whoever sent it, and no failure of ours fails an install.
 */
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { eventually, pidOf } from '../support/daemon.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  makePackage,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { freePort } from '../support/machines/free-port.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import { catalogProgram } from '../support/catalog-program.ts'
import { startUpstream, type Fault, type FaultyUpstream } from '../support/registries/upstream.ts'
import { until } from '../support/until.ts'
import {
  mustRunYarn,
  packPlugin,
  runYarn,
  startRelay,
  type Relay,
  type YarnRun,
} from '../support/yarn-plugin.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
/** The one that tests tamper with. */
const LEAF = /\/fx-leaf-1\.3\.0\.tgz$/
const WARNING = 'fx-leaf@1.3.0: the daemon had other bytes than their metadata says'
const small = { name: 'small', dependencies: { 'fx-leaf': '^1.0.0' } }

let workspace: Workspace
let registry: LoopbackRegistry
let machine: Machine
let plugin: string
/** Made by Yarn alone, of `fixtureProject`. */
let lockfile: string
let nobody: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  machine = await startMachine({ upstream: registry.url })
  // The plugin waits for an answer as long as a daemon at rest takes, not for code that is loaded with the first one.
  await (await fetch(`${machine.url}/-/catalog/health`)).text()
  plugin = await packPlugin()
  nobody = `http://127.0.0.1:${await freePort()}`
  const alone = await project({ plugin: false })
  await mustRunYarn(['install', '--no-immutable'], alone)
  lockfile = await readLockfile(alone)
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

interface Setup {
  readonly plugin?: false
  readonly linker?: string
  /** Where the plugin looks for a daemon. */
  readonly daemon?: string
  readonly registry?: string
  /** Further lines of the user's .yarnrc.yml. */
  readonly settings?: readonly string[]
  readonly manifest?: object
  readonly lockfile?: string
}

/** A new project, and a new home with nothing in any cache and the plugin in its .yarnrc.yml. */
async function project(setup: Setup = {}): Promise<YarnRun> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(setup.manifest ?? fixtureProject))
  await writeFile(join(cwd, 'yarn.lock'), setup.lockfile ?? '')
  const ours = [
    `catalogDaemonUrl: '${setup.daemon ?? machine.url}'`,
    'plugins:',
    `  - path: '${plugin?.replaceAll('\\', '/')}'`,
  ]
  const settings = [
    `nodeLinker: ${setup.linker ?? 'node-modules'}`,
    ...(setup.plugin === false ? [] : ours),
    ...(setup.settings ?? []),
  ]
  const home = await workspace.folder('home')
  return { cwd, home, registry: setup.registry ?? registry.url, settings }
}

const install = (run: YarnRun): Promise<string> => mustRunYarn(['install', '--no-immutable'], run)

function readLockfile({ cwd }: YarnRun): Promise<string> {
  return readFile(join(cwd, 'yarn.lock'), 'utf8')
}

/** Paths that Yarn itself asked the registry for. */
function askedDirectly(): string[] {
  const byYarn = registry.requests.filter((each) => /^got\b/.test(each.headers['user-agent'] ?? ''))
  return byYarn.map((each) => each.path)
}

function served(of: Machine): number {
  const { store, peer, origin } = of.gateway.stats().tarballs
  return store.artifacts + peer.artifacts + origin.artifacts
}

for (const linker of ['node-modules', 'pnpm', 'pnp']) {
  const tags = linker === 'node-modules' ? [] : ['long']
  describe(`with the ${linker} linker`, { tags }, () => suiteOf(linker))
}

function suiteOf(linker: string): void {
  test('a fresh install comes from the daemon, and its lockfile is the one Yarn makes', async () => {
    const run = await project({ linker })
    registry.forget()
    const before = served(machine)

    const output = await install(run)

    expect(await readLockfile(run)).toBe(lockfile)
    expect(askedDirectly()).toEqual([])
    expect(served(machine) - before).toBe(expected.size)
    expect(output).toContain(`Catalog P2P: ${expected.size} packages by the daemon`)
    expect(await mustRunYarn(['fx-hello'], run)).toContain('hello from @fx/cli with fx-colors')
    if (linker === 'node-modules') {
      expect(await readInstalled(run.cwd)).toEqual(asInstalled(packages, expected))
    }
    const files = await readdir(run.cwd)
    expect(files.includes('.pnp.cjs')).toBe(linker === 'pnp')
  })

  test('an immutable one too, announced by hints', async () => {
    const run = await project({ linker, lockfile })
    registry.forget()
    const before = machine.gateway.stats().hints.lists

    await mustRunYarn(['install', '--immutable'], run)

    expect(await readLockfile(run)).toBe(lockfile)
    expect(askedDirectly()).toEqual([])
    expect(machine.gateway.stats().hints.lists).toBe(before + 1)
    // With everything in Yarn's own cache there is nothing to announce, and nothing to ask for.
    const again = served(machine)
    await mustRunYarn(['install', '--immutable'], run)
    expect(machine.gateway.stats().hints.lists).toBe(before + 1)
    expect(served(machine)).toBe(again)
  })
}

describe("Yarn's own ways", () => {
  test('hardened mode checks the lockfile against metadata from the daemon', async () => {
    const run = await project({ lockfile })
    registry.forget()
    const env = { YARN_ENABLE_HARDENED_MODE: '1' }
    await mustRunYarn(['install', '--immutable'], { ...run, env })
    expect(askedDirectly()).toEqual([])
    // A lockfile that somebody bent is found out.
    const bent = lockfile.replace('fx-tiny-3: "npm:^1.0.3"', 'fx-tiny-3: "npm:^1.0.2"')
    expect(bent).not.toBe(lockfile)
    const result = await runYarn(['install', '--immutable'], {
      ...(await project({ lockfile: bent })),
      env,
    })
    expect(result.exitCode).not.toBe(0)
  })

  test('a cache in the project works as well', async () => {
    const settings = ['enableGlobalCache: false', 'enableMirror: false']
    const run = await project({ settings })
    await install(run)
    expect(await readLockfile(run)).toBe(lockfile)
    const cached = await readdir(join(run.cwd, '.yarn', 'cache'))
    expect(cached.filter((file) => file.endsWith('.zip'))).toHaveLength(expected.size)
  })

  test('npm info says what it says without the plugin', async () => {
    const args = ['npm', 'info', 'fx-leaf', '@fx/alpha', '--json']
    const alone = await mustRunYarn(args, await project({ plugin: false }))
    registry.forget()
    expect(await mustRunYarn(args, await project())).toBe(alone)
    expect(askedDirectly()).toEqual([])
  })

  test('dlx runs a package from the daemon', async () => {
    const run = await project()
    registry.forget()
    const output = await mustRunYarn(['dlx', '-p', '@fx/cli', 'fx-hello'], run)
    expect(output).toContain('hello from @fx/cli with fx-colors@1.4.0')
    expect(askedDirectly()).toEqual([])
  })

  test('no network means no network, the daemon included', async () => {
    const run = await project({ settings: ['enableNetwork: false'] })
    const before = served(machine)
    const { exitCode, output } = await runYarn(['install', '--no-immutable'], run)
    expect(exitCode).not.toBe(0)
    expect(output).toContain('YN0080')
    expect(served(machine)).toBe(before)
  })
})

describe('without a daemon', () => {
  test('Yarn installs as ever, and says nothing of us', async () => {
    const run = await project({ daemon: nobody })
    const output = await install(run)
    expect(await readLockfile(run)).toBe(lockfile)
    expect(output).not.toContain('Catalog')
  })

  test('an install from the lockfile asks for nothing but the tarballs', async () => {
    registry.forget()
    const run = await project({ daemon: nobody, lockfile })
    await mustRunYarn(['install', '--immutable'], run)
    const foreign = registry.requests.filter((each) => each.kind === 'packument')
    // What is for some platforms only has no checksum in yarn.lock: its hash has to be asked for.
    expect(foreign.map((each) => each.path)).toEqual([`/@fx/native-${process.platform}`])
    expect(registry.count('tarball')).toBe(expected.size)
  })

  test('status and peers say so, with exit code 1', async () => {
    const run = await project({ daemon: nobody })
    for (const command of ['status', 'peers']) {
      const { exitCode, output } = await runYarn(['catalog', command], run)
      expect(exitCode).toBe(1)
      expect(output).toContain(`No Catalog P2P daemon answers at ${nobody}`)
      expect(output).toContain('catalog start')
    }
  })

  test('an address elsewhere is refused in words, and the install goes on', async () => {
    const run = await project({ daemon: 'http://192.0.2.7:4874' })
    expect(await install(run)).toContain('must be an http address of this machine')
    expect(await readLockfile(run)).toBe(lockfile)
  })
})

describe('a daemon that fails', { tags: ['long'] }, () => {
  test('by dying in the middle of an install leaves the rest to Yarn', async () => {
    await using relay = await startRelay(machine.url)
    let tarballs = 0
    relay.diesAt = (path) => path.endsWith('.tgz') && (tarballs += 1) === 8
    const run = await project({ daemon: relay.url })
    registry.forget()

    await install(run)

    expect(tarballs).toBe(8)
    expect(await readLockfile(run)).toBe(lockfile)
    expect(await readInstalled(run.cwd)).toEqual(asInstalled(packages, expected))
    expect(askedDirectly().filter((path) => path.endsWith('.tgz')).length).toBeGreaterThan(0)
  })

  test('by having other bytes is found out, named, and gone around', async () => {
    await using relay = await startRelay(machine.url)
    relay.change = ({ path, body }) => (LEAF.test(path) ? flipped(body) : undefined)
    const run = await project({ daemon: relay.url })

    const output = await install(run)

    expect(output).toContain(WARNING)
    expect(await readLockfile(run)).toBe(lockfile)
    expect(await readInstalled(run.cwd)).toEqual(asInstalled(packages, expected))
  })

  test('by lying about a hash fails the install, by name', async () => {
    await using relay = await startRelay(machine.url)
    const liar = makePackage('fx-leaf', '1.3.0', { description: 'another one' })
    const real = packages.find((each) => each.name === 'fx-leaf' && each.version === '1.3.0')
    relay.change = ({ path, body }) =>
      path === '/fx-leaf'
        ? Buffer.from(body.toString().replace(real?.integrity ?? '-', liar.integrity))
        : undefined
    const { exitCode, output } = await runYarn(
      ['install', '--no-immutable'],
      await project({ daemon: relay.url, manifest: small }),
    )
    expect(exitCode).not.toBe(0)
    expect(output).toContain('fx-leaf@1.3.0 is not what its metadata says')
    expect(output).toContain(`expected ${liar.integrity}, got ${real?.integrity}`)
    expect(output).toContain('YARN_CATALOG_ENABLED=0')
  })

  test("by lying about hash and bytes alike is found out by yarn.lock's own checksum", async () => {
    await using relay = await startRelay(machine.url)
    const liar = makePackage('fx-leaf', '1.3.0', { description: 'another one' })
    const real = packages.find((each) => each.name === 'fx-leaf' && each.version === '1.3.0')
    relay.change = ({ path, body }) => {
      if (LEAF.test(path)) return liar.tarball
      if (path !== '/fx-leaf') return undefined
      return Buffer.from(body.toString().replace(real?.integrity ?? '-', liar.integrity))
    }
    const run = await project({ daemon: relay.url, lockfile })
    const { exitCode, output } = await runYarn(['install', '--immutable'], run)
    expect(exitCode).not.toBe(0)
    expect(output).toMatch(/YN0018:.*fx-leaf@npm:1\.3\.0/)
  })

  test('by answering rubbish is as good as none', async () => {
    await using relay = await startRelay(machine.url)
    relay.change = ({ path }) => (path.startsWith('/-/') ? undefined : Buffer.from('<html>'))
    const run = await project({ daemon: relay.url })
    await install(run)
    expect(await readLockfile(run)).toBe(lockfile)
  })
})

describe('an upstream that serves changed packages', () => {
  test.each(['with', 'without'])('fails the install %s a daemon, by name', async (how) => {
    await using upstream = await startUpstream(packages)
    await using behind = await startMachine({ upstream: upstream.url })
    const daemon = how === 'with' ? behind.url : nobody
    const address = upstream.url.slice(0, -1)
    const leaf = packages.find((each) => each.name === 'fx-leaf' && each.version === '1.3.0')
    upstream.fault(LEAF, { kind: 'wrong-bytes' })

    const run = await project({ daemon, registry: address, manifest: small })
    const { exitCode, output } = await runYarn(['install', '--no-immutable'], run)

    expect(exitCode).not.toBe(0)
    expect(output).toContain('fx-leaf@1.3.0 is not what its metadata says')
    expect(output).toContain(`expected ${leaf?.integrity}`)
    expect(output).toContain(`from ${address}`)
    // The cure works: nothing wrong was kept anywhere.
    upstream.heal()
    await install(run)
    expect(Object.keys(Object.fromEntries(await readInstalled(run.cwd)))).toEqual(['fx-leaf@1.3.0'])
  })

  test('or is gone when the daemon has other bytes: the message names the package', async () => {
    await using upstream = await startUpstream(packages)
    await using behind = await startMachine({ upstream: upstream.url })
    const address = upstream.url.slice(0, -1)
    await install(await project({ daemon: behind.url, registry: address, manifest: small }))
    await using relay = await startRelay(behind.url)
    relay.change = ({ path, body }) => (LEAF.test(path) ? flipped(body) : undefined)
    upstream.fault(LEAF, { kind: 'reset' })

    const run = await project({ daemon: relay.url, registry: address, manifest: small })
    const { exitCode, output } = await runYarn(['install', '--no-immutable'], run)

    expect(exitCode).not.toBe(0)
    expect(output).toContain('fx-leaf@1.3.0: what the daemon had is not the package')
    expect(output).toContain('try again when the registry is there')
  })
})

describe('an upstream in trouble in the middle of an install', { tags: ['long'] }, () => {
  let upstream: FaultyUpstream
  let address: string
  beforeAll(async () => {
    upstream = await startUpstream(packages)
    address = upstream.url.slice(0, -1)
  })
  afterEach(() => upstream.heal())
  afterAll(() => upstream.stop())

  const tarballOf = (name: string): RegExp => new RegExp(`/${name}/-/`)
  const fresh = ['install', '--no-immutable']
  /** Of Yarn itself, not of the daemon. */
  const askedByYarn = (): string[] =>
    upstream.seen
      .filter(({ headers }) => /^got\b/.test(headers['user-agent'] ?? ''))
      .map(({ url }) => url)

  test('that fails, stalls and cuts off, each once, is not noticed', async () => {
    await using behind = await startMachine({ upstream: upstream.url })
    // Held until another one was asked for a second time.
    const again = (match: RegExp): Promise<unknown> =>
      until(() => upstream.count(match) > 1, { deadlineMs: 60_000 })
    const faults: [RegExp, Fault][] = [
      [tarballOf('fx-tiny-0'), { kind: 'status', status: 500 }],
      [tarballOf('fx-tiny-1'), { kind: 'truncate', bytes: 30 }],
      [tarballOf('fx-big'), { kind: 'truncate', bytes: 3_000_000 }],
      [tarballOf('fx-tiny-2'), { kind: 'reset' }],
      [tarballOf('fx-tiny-3'), { kind: 'hold', until: again(tarballOf('fx-big')) }],
      [/\/fx-leaf$/, { kind: 'status', status: 500 }],
      [/\/fx-dev$/, { kind: 'reset' }],
      [/\/fx-tree$/, { kind: 'hold', until: again(/\/fx-leaf$/) }],
    ]
    for (const [match, fault] of faults) upstream.fault(match, fault, 1)
    const run = await project({ daemon: behind.url, registry: address })
    await install(run)
    expect(await readLockfile(run)).toBe(lockfile)
    expect(await readInstalled(run.cwd)).toEqual(asInstalled(packages, expected))
    expect(askedByYarn()).toEqual([])
    for (const [match, { kind }] of faults) {
      expect(upstream.count(match), String(match)).toBeGreaterThanOrEqual(kind === 'hold' ? 1 : 2)
    }
  })

  test.each<[string, string, RegExp, Fault, 'as alone' | 'better']>([
    ['500 for ever', 'fx-leaf', LEAF, { kind: 'status', status: 500 }, 'as alone'],
    ['500 for metadata', 'fx-leaf', /\/fx-leaf$/, { kind: 'status', status: 500 }, 'as alone'],
    ['each answer cut off', 'fx-leaf', LEAF, { kind: 'truncate', bytes: 0 }, 'as alone'],
    // Each answer ends after two megabytes; the daemon asks for the rest.
    ['pieces', 'fx-big', tarballOf('fx-big'), { kind: 'truncate', bytes: 2_000_000 }, 'better'],
  ])('%s ends as it does without us, or better', async (_what, name, match, fault, ending) => {
    await using behind = await startMachine({ upstream: upstream.url })
    const manifest = { name: 'one', dependencies: { [name]: '^1.0.0' } }
    const setup = { registry: address, manifest, daemon: behind.url }
    upstream.fault(match, fault)
    const alone = await runYarn(fresh, await project({ ...setup, plugin: false }))
    expect(alone.exitCode).not.toBe(0)
    const run = await project(setup)
    const { exitCode, output } = await runYarn(fresh, run)
    if (ending === 'better') expect(exitCode, output).toBe(0)
    else {
      expect(exitCode).not.toBe(0)
      const code = /YN00(?!00|13)\d\d/.exec(alone.output)?.[0]
      expect(code).toBeDefined()
      expect(output).toContain(code)
    }
    upstream.heal()
    await install(run)
    expect([...(await readInstalled(run.cwd)).keys()]).toContain(
      name === 'fx-big' ? 'fx-big@1.0.0' : 'fx-leaf@1.3.0',
    )
  })
})

describe('hashes that are', () => {
  const fresh = ['install', '--no-immutable']

  test('sha1 only are checked, and missing ones are told of', async () => {
    await using upstream = await startUpstream(packages)
    const registry = upstream.url.slice(0, -1)
    const { dist } = upstream.document('fx-leaf').versions['1.3.0']!
    delete dist.integrity
    upstream.fault(LEAF, { kind: 'wrong-bytes' }, 1)
    const old = await project({ daemon: nobody, registry, manifest: small })
    const { exitCode, output } = await runYarn(fresh, old)
    expect(exitCode).not.toBe(0)
    expect(output).toContain('fx-leaf@1.3.0 is not what its metadata says: expected sha1-')
    expect(await install(old)).not.toContain('Catalog')

    delete dist.shasum
    const none = await project({ daemon: nobody, registry, manifest: small })
    expect(await install(none)).toContain('fx-leaf@1.3.0: their metadata has no hash')
  })

  test('not to be had fail the install where nothing else protects it', async () => {
    await using upstream = await startUpstream(packages)
    const name = `native-${process.platform}`
    upstream.fault(new RegExp(`fx%2f${name}$`, 'i'), { kind: 'status', status: 500 })
    const run = await project({ daemon: nobody, registry: upstream.url.slice(0, -1), lockfile })
    const { exitCode, output } = await runYarn(['install', '--immutable'], run)
    expect(exitCode).not.toBe(0)
    expect(output).toMatch(new RegExp(`YN0035:.*@fx/${name}@1.1.0 can't be checked`))
  })
})

describe('registries', () => {
  test('a scope with a registry of its own never meets the daemon of another', async () => {
    const own = makePackage('@fx/beta', '2.1.3', { description: 'of another registry' })
    await using other = await startRegistry({ packages: [own], tarballs: 'self' })
    await using relay = await startRelay(machine.url)
    const run = await project({
      daemon: relay.url,
      manifest: { name: 'scoped', dependencies: { '@fx/beta': '2.1.3', 'fx-leaf': '^1.0.0' } },
      settings: ['npmScopes:', '  fx:', `    npmRegistryServer: '${other.url}'`],
    })
    await install(run)
    const found = await readInstalled(run.cwd)
    expect(found).toEqual(
      asInstalled(
        [own, ...packages.filter((each) => each.name === 'fx-leaf')],
        new Set(['@fx/beta@2.1.3', 'fx-leaf@1.3.0']),
      ),
    )
    expect(pathsOf(relay).filter((path) => path.includes('@fx'))).toEqual([])
    expect(pathsOf(relay)).toContain('/fx-leaf/-/fx-leaf-1.3.0.tgz')
  })

  test('credentials go where they went before, and never to the daemon', async () => {
    await using relay = await startRelay(machine.url)
    const settings = ['npmAuthToken: s3cret-token']
    registry.forget()
    const run = await project({ daemon: relay.url, settings })
    await install(run)
    expect(await readLockfile(run)).toBe(lockfile)
    await mustRunYarn(
      ['install', '--immutable'],
      await project({ daemon: relay.url, settings, lockfile }),
    )

    // Yarn sends them for scoped packages only.
    const carrying = registry.requests.filter((each) => each.headers.authorization !== undefined)
    expect(new Set(carrying.map((each) => each.path.split('/')[1]))).toEqual(new Set(['@fx']))
    expect(relay.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    expect(pathsOf(relay).filter((path) => path.includes('@fx'))).toEqual([])
    expect(relay.posted.join()).toContain('fx-leaf')
    expect(relay.posted.join()).not.toContain('@fx')
  })

  test('credentials in the URL are credentials, too, and what comes is checked', async () => {
    await using upstream = await startUpstream(packages)
    const address = upstream.url.slice(0, -1).replace('//', '//jane:s3cret@')
    await using behind = await startMachine({ upstream: upstream.url })
    await using relay = await startRelay(behind.url)
    upstream.wall(/leaf$/, [`Basic ${Buffer.from('jane:s3cret').toString('base64')}`])
    const run = await project({ daemon: relay.url, registry: address, manifest: small })
    await install(run)
    const again = { daemon: relay.url, registry: address, manifest: small }
    const locked = await project({ ...again, lockfile: await readLockfile(run) })
    await mustRunYarn(['install', '--immutable'], locked)
    upstream.fault(LEAF, { kind: 'wrong-bytes' })
    const { output } = await runYarn(['install', '--no-immutable'], await project(again))
    expect(output).toContain('fx-leaf@1.3.0 is not what its metadata says')
    expect(new Set(pathsOf(relay))).toEqual(new Set(['/-/catalog/health']))
    expect(relay.posted).toEqual([])
  })

  test('tarballs at unusual addresses come from the daemon and are checked, too', async () => {
    await using upstream = await startUpstream(packages)
    const address = upstream.url.slice(0, -1)
    const odd = `${address}/fx-leaf/-/old/Leaf.tgz`
    upstream.document('fx-leaf').versions['1.3.0']!.dist.tarball = odd
    const { tarball } = packages.find((each) => each.version === '1.3.0')!
    let bytes = flipped(tarball)
    upstream.otherwise = ({ url }, res) =>
      void res.writeHead(url.endsWith('/Leaf.tgz') ? 200 : 404).end(bytes)
    const bad = await runYarn(
      ['install', '--no-immutable'],
      await project({ daemon: nobody, registry: address, manifest: small }),
    )
    expect(bad.exitCode).not.toBe(0)
    expect(bad.output).toContain('fx-leaf@1.3.0 is not what its metadata says')

    bytes = tarball
    const alone = await project({ plugin: false, registry: address, manifest: small })
    await install(alone)
    await using behind = await startMachine({ upstream: upstream.url })
    const run = await project({ daemon: behind.url, registry: address, manifest: small })
    upstream.forget()
    await install(run)
    expect(await readLockfile(run)).toBe(await readLockfile(alone))
    expect(await readLockfile(run)).toContain('__archiveUrl=')
    expect(served(behind)).toBe(1)
  })
})

describe('a package whose metadata names the tarball of another', () => {
  const evil = makePackage('evil', '1.0.0')
  const victim = makePackage('victim', '1.0.0')
  const both = (range: string) => ({ name: 'both', dependencies: { victim: range, evil: '1.0.0' } })

  /** Where evil says that it is, and what the project depends on, at its registry or at another site. */
  test.each([
    ['registry/victim', '1.0.0', 'nobody'],
    ['registry/victim', '1.0.0', 'daemon'],
    ['site/victim', 'site/victim', 'nobody'],
    ['site/evil', 'site/victim', 'daemon'],
    ['site/evil', 'site/evil', 'nobody'],
  ])('%s, where somebody wants %s: neither is taken for the other, with %s', async (...given) => {
    const [place, wanted, who] = given
    await using upstream = await startUpstream([evil, victim])
    await using site = await startRegistry({ packages: [evil, victim], tarballs: 'self' })
    await using behind = await startMachine({ upstream: upstream.url })
    // The daemon has the bytes of evil, as evil's own metadata named them.
    await (await fetch(`${behind.url}/evil/-/evil-1.0.0.tgz`)).arrayBuffer()
    const address = upstream.url.slice(0, -1)
    const urlOf = (text: string): string => {
      const [host = '', name = ''] = text.split('/')
      return `${host === 'site' ? site.url : address}/${name}/-/${name}-1.0.0.tgz`
    }
    const claim = upstream.document('evil').versions['1.0.0']!.dist
    claim.tarball = urlOf(place)
    const run = await project({
      ...{ daemon: who === 'daemon' ? behind.url : nobody, registry: address },
      manifest: both(wanted === '1.0.0' ? wanted : urlOf(wanted)),
    })
    const { exitCode, output } = await runYarn(['install', '--no-immutable'], run)
    if (place.endsWith('victim') && who === 'nobody') {
      expect(exitCode).not.toBe(0)
      expect(output).toContain('evil@1.0.0 is not what its metadata says')
      expect(output).toContain(`got ${victim.integrity} from ${urlOf(place)}`)
      expect(output).not.toContain('victim@1.0.0 is not')
      return
    }
    expect(output).toContain('Done')
    const nameIn = async (folder: string): Promise<unknown> => {
      const file = join(run.cwd, 'node_modules', folder, 'package.json')
      return (JSON.parse(await readFile(file, 'utf8')) as { name: unknown }).name
    }
    expect(await nameIn('victim')).toBe(wanted === 'site/evil' ? 'evil' : 'victim')
    expect(await nameIn('evil')).toBe('evil')
  })

  test.each(['with', 'without'])(
    'where both name one address each is checked by its own hash, %s a daemon',
    async (how) => {
      await using upstream = await startUpstream([evil, victim])
      const address = upstream.url.slice(0, -1)
      const dists = ['evil', 'victim'].map(
        (name) => upstream.document(name).versions['1.0.0']!.dist,
      )
      for (const dist of dists) dist.tarball = `${address}/download/1`
      upstream.otherwise = ({ url }, res) =>
        void res.writeHead(url === '/download/1' ? 200 : 404).end(victim.tarball)
      await using behind = await startMachine({ upstream: upstream.url })
      const daemon = how === 'with' ? behind.url : nobody
      const fresh = () => project({ daemon, registry: address, manifest: both('1.0.0') })
      const refused = await runYarn(['install', '--no-immutable'], await fresh())
      expect(refused.exitCode).not.toBe(0)
      expect(refused.output).toContain('evil@1.0.0 is not what its metadata says')
      expect(refused.output).not.toContain('victim@1.0.0 is not')

      // Nobody says that one tarball can't be two packages.
      Object.assign(dists[0]!, { integrity: victim.integrity, shasum: victim.shasum })
      const run = await fresh()
      await using later = await startMachine({ upstream: upstream.url })
      await install({
        ...run,
        env: { YARN_CATALOG_DAEMON_URL: how === 'with' ? later.url : nobody },
      })
      expect((await readLockfile(run)).match(/__archiveUrl=/g)).toHaveLength(2)
      upstream.otherwise = (_request, res) => void res.writeHead(200).end(flipped(victim.tarball))
      const changed = await runYarn(['install', '--no-immutable'], {
        ...(await project({ daemon: nobody, registry: address, manifest: both('1.0.0') })),
      })
      expect(changed.exitCode).not.toBe(0)
      for (const name of ['evil', 'victim'])
        expect(changed.output).toContain(`${name}@1.0.0 is not what its metadata says`)
    },
  )
})

describe('what Yarn publishes itself', () => {
  const [one, two] = ['1.0.0', '2.0.0'].map((version) => makePackage('@fx/mine', version))
  const SECRET = 's3cret-token'

  /** A registry that takes what is published, and a relay before the daemon that asks it. */
  async function world() {
    const upstream = await startUpstream([one!])
    const behind = await startMachine({ upstream: upstream.url })
    const relay = await startRelay(behind.url)
    upstream.otherwise = ({ method }, res) => {
      if (method === 'PUT') upstream.add(two!)
      res.writeHead(method === 'PUT' ? 201 : 404, { 'content-type': 'application/json' }).end('{}')
    }
    const run = await project({
      ...{ daemon: relay.url, registry: upstream.url.slice(0, -1) },
      manifest: { name: '@fx/mine', version: '2.0.0', packageManager: 'yarn@4.0.0' },
      settings: [`npmAuthToken: ${SECRET}`],
    })
    await install(run)
    return {
      ...{ upstream, relay, run },
      /** As another client of the daemon is told. */
      versions: async () => {
        const response = await fetch(`${behind.url}/@fx%2fmine`)
        return Object.keys(((await response.json()) as { versions: object }).versions)
      },
      async [Symbol.asyncDispose]() {
        await relay[Symbol.asyncDispose]()
        await behind[Symbol.asyncDispose]()
        await upstream[Symbol.asyncDispose]()
      },
    }
  }

  test('the daemon knows at once, and gets no credentials', async () => {
    await using at = await world()
    expect(await at.versions()).toEqual(['1.0.0'])

    await mustRunYarn(['npm', 'publish'], at.run)

    const put = at.upstream.seen.filter(({ method }) => method === 'PUT')
    expect(put.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${SECRET}`])
    expect(at.relay.posted).toEqual(['{"names":["@fx/mine"]}'])
    expect(at.relay.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    expect(await at.versions()).toEqual(['1.0.0', '2.0.0'])
  })

  test('and a daemon that dies then holds nobody up', async () => {
    await using at = await world()
    at.relay.diesAt = (path) => path === '/-/catalog/changed'
    await mustRunYarn(['npm', 'publish'], at.run)
    expect(pathsOf(at.relay)).toContain('/-/catalog/changed')
    expect(Object.keys(at.upstream.document('@fx/mine').versions)).toEqual(['1.0.0', '2.0.0'])
  })
})

describe('a newcomer', () => {
  test('imports the plugin into a project, installs, looks at the daemon', async () => {
    const run = await project({ plugin: false })
    const env = { YARN_CATALOG_DAEMON_URL: machine.url }
    expect(await mustRunYarn(['plugin', 'import', plugin], run)).toContain('catalog-p2p')
    await access(join(run.cwd, '.yarn', 'plugins', '@yarnpkg', 'plugin-catalog-p2p.cjs'))
    await install({ ...run, env })
    expect(await readLockfile(run)).toBe(lockfile)
    const status = await mustRunYarn(['catalog', 'status'], { ...run, env })
    expect(status).toContain(`node      ${machine.node.id}`)
    expect(status).toContain(`upstream  ${registry.url}/`)
    expect(status).toContain(`in use    yes, for packages of ${registry.url}`)
    const other = { ...run, env, registry: 'http://127.0.0.1:1' }
    expect(await mustRunYarn(['catalog', 'status'], other)).toContain('in use    no: Yarn gets')
    expect(await mustRunYarn(['catalog', 'peers'], { ...run, env })).toContain('no peers yet')
    const json = await mustRunYarn(['catalog', 'status', '--json'], { ...run, env })
    expect(JSON.parse(json)).toMatchObject({ node: { id: machine.node.id } })
  })

  test('imports it from a URL', async () => {
    const bytes = await readFile(plugin)
    await using site = await startRelay(nobody, () => bytes)
    const run = await project({ plugin: false })
    await mustRunYarn(['plugin', 'import', `${site.url}/plugin.cjs`], run)
    expect(await mustRunYarn(['plugin', 'runtime'], run)).toContain('@yarnpkg/plugin-catalog-p2p')
  })

  test('has the daemon started in the background, without waiting for it', async () => {
    const port = await freePort()
    const store = await workspace.folder('store')
    const script = await daemonScript(store)
    const daemon = `http://127.0.0.1:${port}`
    const run = await project({
      daemon,
      settings: [`catalogCommand: '${script}'`],
      manifest: small,
    })
    try {
      expect(await install(run)).not.toContain('YN0001')
      const status = await eventually(async () => {
        const response = await fetch(`${daemon}/-/catalog/status`)
        return (await response.json()) as { gateway: { upstream: string } }
      }, 30_000)
      expect(status.gateway.upstream).toBe(`${registry.url}/`)
      const again = await project({ daemon, manifest: small })
      expect(await install(again)).toContain('Catalog P2P: 1 package by the daemon')
    } finally {
      const pid = await pidOf(store)
      process.kill(pid, 'SIGTERM')
      await until(() => !isAlive(pid), { deadlineMs: 20_000 })
    }
  })
})

/** A `catalog` like an installed one, for the sources here and with everything but loopback switched off. */
async function daemonScript(store: string): Promise<string> {
  const program = await catalogProgram()
  const quiet = ['--store', store, '--upstream', registry.url, '--loopback-only', '--no-mdns']
  const more = [...quiet, '--no-upnp', '--no-dht', '--network.port', '0']
  const file = join(store, 'catalog.mjs')
  await writeFile(
    file,
    `import { spawn } from 'node:child_process'
const [command, ...args] = process.argv.slice(2)
const all = [...${JSON.stringify(program)}, command, ...args, ...${JSON.stringify(more)}]
spawn(process.execPath, all, { stdio: 'inherit' }).once('exit', (code) => (process.exitCode = code ?? 1))
`,
  )
  return file.replaceAll('\\', '/')
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function pathsOf(relay: Relay): string[] {
  return relay.seen.map(({ path }) => path)
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length - 9] = (copy.at(-9) ?? 0) ^ 1
  return copy
}
