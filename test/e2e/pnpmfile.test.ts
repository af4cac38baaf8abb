/**
 * The pnpmfile of plugins/pnpm under real pnpm 10, 11 and 12: tarballs come through the gateway while the registry setting,
 * the metadata and the lockfile stay what they are; whatever is wrong with the daemon, pnpm installs as it does alone.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  mustRunClient,
  type ClientResult,
  type Workspace,
} from '../support/client.ts'
import { findClient, tagsOf, whyUnavailable } from '../support/clients.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  makePackage,
  type FixturePackage,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'
import { startScriptedDaemon, type ScriptedDaemon } from '../support/scripted-daemon.ts'
import { catalogProgram } from '../support/catalog-program.ts'
import { repositoryRoot } from '../support/source-tree.ts'
import { until } from '../support/until.ts'

const PNPMFILE = join(repositoryRoot, 'plugins', 'pnpm', 'pnpmfile.cjs')
/** What pnpm 11.28 and 12 write for any global pnpmfile, an empty one too. */
const MARK = 'untrackedPnpmfileReadPackageHook: false\n\n'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const bytes = new Map(packages.map((each) => [tarballPath(each), each.tarball]))

let workspace: Workspace
let registry: LoopbackRegistry
let machine: Machine
let closedPort = 0

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  machine = await startMachine({ upstream: registry.url })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  closedPort = (server.address() as AddressInfo).port
  server.close()
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

for (const pnpm of ['pnpm-10', 'pnpm-11', 'pnpm-12'] as const) {
  describe(pnpm, { tags: tagsOf(pnpm) }, () => suiteOf(pnpm))
}

function suiteOf(name: 'pnpm-10' | 'pnpm-11' | 'pnpm-12'): void {
  const unavailable = whyUnavailable(findClient(name))
  const isWithoutUrls = name === 'pnpm-12'
  /** Made without any pnpmfile. */
  let lockfile = ''

  interface Run {
    readonly port?: number
    /** Global; ours by default. */
    readonly pnpmfile?: string
    readonly project?: Readonly<Record<string, string>>
    readonly env?: Readonly<Record<string, string>>
    readonly args?: readonly string[]
    readonly home?: string
    /** Where in the project pnpm runs. */
    readonly folder?: string
  }

  async function install(run: Run): Promise<{ cwd: string; lockfile: string; ran: ClientResult }> {
    registry.forget()
    const cwd = await workspace.folder('project')
    const home = run.home ?? (await workspace.folder('home'))
    const files = { 'package.json': JSON.stringify(fixtureProject), ...run.project }
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(cwd, path)), { recursive: true })
      await writeFile(join(cwd, path), content)
    }
    const file = run.pnpmfile ?? PNPMFILE
    const env = {
      ...(run.port !== undefined && { CATALOG_PORT: String(run.port) }),
      ...(file !== '' && { npm_config_global_pnpmfile: file, pnpm_config_global_pnpmfile: file }),
      ...run.env,
    }
    const frozen = run.project?.['pnpm-lock.yaml'] !== undefined
    const kind = frozen ? '--frozen-lockfile' : '--no-frozen-lockfile'
    const args = ['install', kind, ...(run.args ?? [])]
    const at = { cwd: join(cwd, run.folder ?? '.'), home, registry: registry.url, env }
    const ran = await mustRunClient(name, args, at)
    return { cwd, ran, lockfile: await readFile(join(cwd, 'pnpm-lock.yaml'), 'utf8') }
  }

  const installed = async (cwd: string): Promise<void> =>
    expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))

  test('writes the lockfile that pnpm writes without it', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    lockfile = (await install({ pnpmfile: '' })).lockfile
    const before = machine.gateway.stats().tarballs
    const { cwd, lockfile: written } = await install({ port: machine.port })
    await installed(cwd)
    expect(written.replace(MARK, '')).toBe(lockfile)
    if (name === 'pnpm-10') expect(written).toBe(lockfile)
    else {
      const empty = join(await workspace.folder('empty'), 'pnpmfile.cjs')
      await writeFile(empty, 'module.exports = {}\n')
      expect(written).toBe((await install({ pnpmfile: empty })).lockfile)
    }
    const { store, origin } = machine.gateway.stats().tarballs
    const served = store.artifacts + origin.artifacts - before.store.artifacts
    expect(served - before.origin.artifacts).toBe(expected.size)
  })

  test('installs from the lockfile through the daemon alone, and says what else it needs', async ({
    skip,
  }) => {
    if (unavailable !== undefined) skip(unavailable)
    const before = machine.gateway.stats()
    const { cwd, lockfile: after } = await install({
      port: machine.port,
      project: { 'pnpm-lock.yaml': lockfile },
    })
    await installed(cwd)
    expect(after).toBe(lockfile)
    expect(registry.count('tarball')).toBe(0)
    const { hints } = machine.gateway.stats()
    expect(hints.lists - before.hints.lists).toBe(1)
    expect(hints.packages - before.hints.packages).toBeGreaterThanOrEqual(expected.size)
  })

  test('is set up by `catalog use pnpm --pnpmfile`, and gone without a trace after `unuse`', async ({
    skip,
  }) => {
    if (unavailable !== undefined) skip(unavailable)
    const home = await workspace.folder('zu hause, Jürgen')
    // Its own settings: every client is told its registry there.
    await mkdir(join(home, 'config', 'pnpm'), { recursive: true })
    const rc = join(home, 'config', 'pnpm', 'rc')
    await writeFile(rc, 'side-effects-cache=false\n')
    const before = await filesOf(home)
    await catalog(['use', 'pnpm', '--pnpmfile', '--port', String(machine.port)], home)
    const served = machine.gateway.stats().requests.tarball

    const run = { home, pnpmfile: '', project: { 'pnpm-lock.yaml': lockfile } }
    const { cwd, lockfile: after } = await install(run)
    await installed(cwd)
    expect(after).toBe(lockfile)
    expect(registry.count('tarball')).toBe(0)
    expect(machine.gateway.stats().requests.tarball - served).toBe(expected.size)

    await catalog(['unuse', 'pnpm'], home)
    const written = [...(await filesOf(home))].filter(([path]) => before.has(path))
    expect(new Map(written)).toEqual(before)
    const kept = [...(await filesOf(home)).keys()]
    expect(kept.filter((path) => /catalog-p2p|pnpmfile|config\.yaml/.test(path))).toEqual([])
  })

  test.runIf(name === 'pnpm-10')("leaves a project's own pnpmfile its checksum", async () => {
    const own = { '.pnpmfile.cjs': 'module.exports = { hooks: { readPackage: (it) => it } }\n' }
    const { lockfile: without } = await install({ pnpmfile: '', project: own })
    expect(without).toContain('pnpmfileChecksum')
    const { lockfile: written } = await install({ port: machine.port, project: own })
    expect(written).toBe(without)
  })

  test('is as if absent without a daemon, and with one that does not answer', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const project = { 'pnpm-lock.yaml': lockfile }
    await installed((await install({ port: closedPort, project })).cwd)
    expect(registry.count('tarball')).toBe(expected.size)
    await using mute = await startScriptedDaemon({
      ...{ registry: `${registry.url}/`, isMute: true },
      answer: (_path, response) => void response.destroy(),
    })
    await installed((await install({ port: mute.port, project })).cwd)
    expect(registry.count('tarball')).toBe(expected.size)
    expect(mute.tarballs).toEqual([])
  })

  test.for([
    ['lies', 'wrong'],
    ['fails', 'status'],
    ['dies in the middle', 'dies'],
  ] as const)('installs all the same when the daemon %s', async ([, fault], { skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using daemon = await startScriptedDaemon({
      registry: `${registry.url}/`,
      answer: (path, response, count) => {
        const whole = bytes.get(path) ?? Buffer.alloc(0)
        if (count <= 5) response.end(whole)
        else if (fault === 'wrong') response.end(Buffer.alloc(whole.length, 7))
        else if (fault === 'status') response.writeHead(502).end('{"error":"no"}')
        else {
          response.writeHead(200, { 'content-length': whole.length })
          response.write(whole.subarray(0, 20), () => response.destroy())
        }
      },
    })
    const project = { 'pnpm-lock.yaml': lockfile }
    const { cwd, lockfile: after } = await install({ port: daemon.port, project })
    await installed(cwd)
    expect(after).toBe(lockfile)
    expect(daemon.tarballs.length).toBeGreaterThan(5)
    expect(registry.count('tarball')).toBe(expected.size - 5)
  })

  test('never asks it for packages of another registry', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using other = await startRegistry({ packages, tarballs: 'self' })
    await using daemon = await startScriptedDaemon({
      registry: `${registry.url}/`,
      answer: (path, response) => void response.end(bytes.get(path)),
    })
    const npmrc = `@fx:registry=${other.url}/\n`
    const { cwd } = await install({
      port: daemon.port,
      project: { 'pnpm-lock.yaml': lockfile, '.npmrc': npmrc },
    })
    await installed(cwd)
    expect(daemon.tarballs.length).toBeGreaterThan(10)
    const named = [...daemon.tarballs, ...daemon.hints.flat().map((each) => `/${each.name}`)]
    expect(named.filter((path) => path.startsWith('/@fx/'))).toEqual([])
    expect(other.count('tarball')).toBeGreaterThan(2)
  })

  test("asks it for nothing that the project's credentials may open", async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    for (const isPublicDefault of [true, false]) {
      await using daemon = await serving({ isPublicDefault })
      const { cwd } = await install({
        port: daemon.port,
        project: { 'pnpm-lock.yaml': lockfile, '.npmrc': token() },
      })
      await installed(cwd)
      const named = [...daemon.tarballs, ...daemon.hints.flat().map((each) => `/${each.name}`)]
      // npm's public registry shows everybody what has no scope.
      if (isPublicDefault) expect(daemon.tarballs.length).toBeGreaterThan(10)
      else expect(named).toEqual([])
      expect(named.filter((path) => path.startsWith('/@'))).toEqual([])
    }
  })

  test("heeds the settings of the workspace's root in its folders, and of the folder that -C names", async ({
    skip,
  }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using other = await startRegistry({ packages, tarballs: 'self' })
    const folder = join('packages', 'a')
    const root = 'packages:\n  - packages/*\n'
    const project = {
      'package.json': '{"name":"root","version":"1.0.0"}',
      [join(folder, 'package.json')]: JSON.stringify(fixtureProject),
      'pnpm-workspace.yaml': root,
    }
    const named = async (files: Readonly<Record<string, string>>, how: Run = { folder }) => {
      await using daemon = await serving({})
      await install({ port: daemon.port, project: { ...project, ...files }, ...how })
      return [...daemon.tarballs, ...daemon.hints.flat().map((each) => `/${each.name}`)]
    }
    expect((await named({})).length).toBeGreaterThan(10)
    expect(await named({ '.npmrc': token() })).toEqual([])
    const elsewhere = { args: ['-C', folder] }
    expect(await named({ [join(folder, '.npmrc')]: token() }, elsewhere)).toEqual([])
    const scoped = await named({ '.npmrc': `@fx:registry=${other.url}/\n` })
    expect(scoped.length).toBeGreaterThan(5)
    expect(scoped.filter((path) => path.startsWith('/@fx/'))).toEqual([])
    if (!isWithoutUrls) return
    const yaml = `${root}registries:\n  "@fx": ${other.url}/\n`
    expect(await named({ 'pnpm-workspace.yaml': yaml })).toEqual([])
  })

  // It is not told where packages come from, so it must be sure.
  test.runIf(isWithoutUrls)('asks nothing when any place names a registry', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    await using daemon = await startScriptedDaemon({
      registry: `${registry.url}/`,
      answer: (path, response) => void response.end(bytes.get(path)),
    })
    const port = daemon.port
    for (const run of [
      { project: { 'pnpm-workspace.yaml': `registries:\n  default: ${registry.url}/\n` } },
      {
        project: { '.npmrc': 'registry=http://127.0.0.1:1/\n' },
        args: [`--registry=${registry.url}`],
      },
      { args: [`--registry=${registry.url}`] },
    ]) {
      await installed((await install({ port, ...run })).cwd)
    }
    expect(daemon.tarballs).toEqual([])
  })
}

describe('the fetcher', () => {
  interface Fetcher {
    fetch(
      cafs: { tempDir(): Promise<string> },
      resolution: object,
      options: object,
      fetchers: { localTarball(cafs: object, resolution: { tarball: string }): Promise<unknown> },
    ): Promise<unknown>
  }

  const [first] = packages as [FixturePackage]
  const temporary = async (): Promise<string> =>
    mkdtemp(join(await workspace.folder('store'), 'tmp-'))

  /** A new copy of it, as pnpm loads it once in each run. */
  function fetcherFor({ port }: ScriptedDaemon): Fetcher {
    vi.stubEnv('CATALOG_PORT', String(port))
    const require = createRequire(import.meta.url)
    delete require.cache[PNPMFILE]
    return (require(PNPMFILE) as { fetchers: [Fetcher] }).fetchers[0]
  }

  async function fetchFrom(
    daemon: ScriptedDaemon,
    { name, version, integrity }: FixturePackage,
    localTarball: Parameters<Fetcher['fetch']>[3]['localTarball'],
  ): Promise<unknown> {
    const tarball = registry.url + tarballPath({ name, version })
    const options = { lockfileDir: workspace.path, pkg: { name, version } }
    const cafs = { tempDir: temporary }
    return fetcherFor(daemon).fetch(cafs, { tarball, integrity }, options, { localTarball })
  }

  afterEach(() => {
    vi.unstubAllEnvs()
    vi.useRealTimers()
  })

  test('does not fail for a temporary folder that stays', async () => {
    await using daemon = await serving({})
    const fetched = fetchFrom(daemon, first, async (_cafs, { tarball }) => {
      // Its folder is a file now, so that what is in it can't be removed.
      const above = dirname(dirname(tarball.slice('file:'.length)))
      await rm(above, { recursive: true })
      await writeFile(above, '')
      return 'fetched'
    })
    expect(await fetched).toBe('fetched')
  })

  test('leaves a daemon that trickles for the registry', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const bytesOf = bytes.get(tarballPath(first)) ?? Buffer.alloc(0)
    await using daemon = await startScriptedDaemon({
      registry: `${registry.url}/`,
      answer: (_path, response) => {
        response.writeHead(200, { 'content-length': bytesOf.length })
        const next = (at: number): void => {
          if (response.destroyed || !vi.isFakeTimers()) return
          vi.advanceTimersByTime(5_000)
          response.write(bytesOf.subarray(at, at + 1), () => setImmediate(next, at + 1))
        }
        next(0)
      },
    })
    expect(await fetchFrom(daemon, first, () => Promise.resolve('fetched'))).toHaveProperty(
      'delegate',
    )
    expect(daemon.tarballs).toHaveLength(1)
    await until(() => vi.getTimerCount() === 0, { deadlineMs: 10_000 })
  })

  test('has patience with one that is slow, and does not watch it any longer than it takes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const large = makePackage('fx-large', '1.0.0', { notice: randomBytes(60_000).toString('hex') })
    const size = large.tarball.length
    await using daemon = await startScriptedDaemon({
      registry: `${registry.url}/`,
      answer: (_path, response) => {
        const next = (at: number): void => {
          if (at >= size) return void response.end()
          vi.advanceTimersByTime(5_000)
          response.write(large.tarball.subarray(at, at + 5_000), () =>
            setImmediate(next, at + 5_000),
          )
        }
        next(0)
      },
    })
    expect(await fetchFrom(daemon, large, () => Promise.resolve('fetched'))).toBe('fetched')
    await until(() => vi.getTimerCount() === 0, { deadlineMs: 10_000 })
  })
})

const token = (): string => `//${new URL(registry.url).host}/:_authToken=a-token-of-this-project\n`

const serving = (options: { isPublicDefault?: boolean }): Promise<ScriptedDaemon> =>
  startScriptedDaemon({
    ...{ ...options, registry: `${registry.url}/` },
    answer: (path, response) => void response.end(bytes.get(path)),
  })

async function catalog(args: readonly string[], home: string): Promise<void> {
  await mkdir(join(home, 'tmp'), { recursive: true })
  const env = isolatedEnvironment(home)
  const options = { cwd: home, env, timeoutMs: 30_000 }
  const ran = await execute(process.execPath, [...(await catalogProgram()), ...args], options)
  if (ran.exitCode !== 0) throw new Error(ran.output)
}

/** What is in the user's settings. */
async function filesOf(home: string): Promise<Map<string, string>> {
  const folder = join(home, 'config')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  return new Map(paths.map((path, index) => [path, texts[index] ?? '']))
}
