/**
 * The scanner of plugins/bun under the real Bun: the daemon hears what is about to be installed, lockfile and install are what
 * they are without it, and no trouble with a daemon is Bun's.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, whyUnavailable } from '../support/clients.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  makePackage,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startMachine } from '../support/machines/machine.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'
import { startScriptedDaemon } from '../support/scripted-daemon.ts'
import { repositoryRoot } from '../support/source-tree.ts'

const FOLDER = join(repositoryRoot, 'plugins', 'bun')
const BY_PATH = `[install.security]\nscanner = ${JSON.stringify(join(FOLDER, 'scanner.js'))}\n`

const packages = fixturePackages()
const expected = expectedInstall(packages)
const unavailable = whyUnavailable(findClient('bun'))

let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [...packages, await published()] })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

/** The plugin as people get it: what `files` of its package.json names. */
async function published() {
  const text = await readFile(join(FOLDER, 'package.json'), 'utf8')
  const { name, version, ...rest } = JSON.parse(text) as Record<string, string>
  const content = await readFile(join(FOLDER, 'scanner.js'))
  return makePackage(name ?? '', version ?? '', rest, [{ path: 'scanner.js', content }])
}

async function install(
  from: string,
  files: Readonly<Record<string, string>>,
  home?: string,
): Promise<{ cwd: string; lockfile: string }> {
  const cwd = await workspace.folder('project')
  const all = { 'package.json': JSON.stringify(fixtureProject), ...files }
  for (const [path, content] of Object.entries(all)) await writeFile(join(cwd, path), content)
  const frozen = 'bun.lock' in files ? ['--frozen-lockfile'] : []
  await mustRunClient('bun', ['install', '--no-progress', ...frozen], {
    ...{ cwd, registry: from, home: home ?? (await workspace.folder('home')) },
    env: { CATALOG_PORT: new URL(from).port },
  })
  const lockfile = await readFile(join(cwd, 'bun.lock'), 'utf8')
  return { cwd, lockfile }
}

const installed = async (cwd: string): Promise<void> =>
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))

test('the daemon hears of the project before its first tarball; a warm install fetches nothing', async ({
  skip,
}) => {
  if (unavailable !== undefined) skip(unavailable)
  await using without = await startMachine({ upstream: registry.url })
  const { lockfile } = await install(without.url, {})
  await using machine = await startMachine({ upstream: registry.url })
  const home = await workspace.folder('home')
  const made = await install(machine.url, { 'bunfig.toml': BY_PATH }, home)
  await installed(made.cwd)
  expect(made.lockfile).toBe(lockfile)
  const { hints, tarballs } = machine.gateway.stats()
  expect(hints.lists).toBe(1)
  expect(hints.packages).toBeGreaterThanOrEqual(expected.size)
  const fetched = (): number =>
    machine.gateway.stats().tarballs.store.artifacts +
    machine.gateway.stats().tarballs.origin.artifacts
  expect(tarballs.store.artifacts + tarballs.origin.artifacts).toBe(expected.size)

  const again = await install(machine.url, { 'bunfig.toml': BY_PATH, 'bun.lock': lockfile }, home)
  await installed(again.cwd)
  expect(again.lockfile).toBe(lockfile)
  expect(machine.gateway.stats().hints.lists).toBe(2)
  expect(fetched()).toBe(expected.size)
})

test('what it says is names and versions, of this registry only', async ({ skip }) => {
  if (unavailable !== undefined) skip(unavailable)
  await using other = await startRegistry({ packages, tarballs: 'self' })
  const bytes = new Map(packages.map((each) => [tarballPath(each), each.tarball]))
  await using upstream = await startRegistry({ packages, tarballs: 'self' })
  await using daemon = await startScriptedDaemon({
    registry: `${upstream.url}/`,
    answer: (path, response) => {
      const tarball = bytes.get(path)
      if (tarball !== undefined) return void response.end(tarball)
      void fetch(upstream.url + path.replace('/@fx/', '/@fx%2f')).then(async (found) => {
        const text = await found.text()
        const url = `http://127.0.0.1:${daemon.port}`
        response.writeHead(found.status).end(text.replaceAll(upstream.url, url))
      })
    },
  })
  const npmrc = `@fx:registry=${other.url}/\n`
  const { cwd } = await install(`http://127.0.0.1:${daemon.port}`, {
    'bunfig.toml': BY_PATH,
    '.npmrc': npmrc,
  })
  await installed(cwd)
  expect(daemon.hints).toHaveLength(1)
  const said = daemon.hints[0] ?? []
  expect(said.map(({ name }) => name).filter((name) => name.startsWith('@fx/'))).toEqual([])
  expect(said).toContainEqual({ name: 'fx-tree', version: '1.0.0' })
  expect(daemon.hintHeaders[0]).toMatchObject({ 'x-catalog-client': 'bun' })
})

test('installed as a package, by its name', async ({ skip }) => {
  if (unavailable !== undefined) skip(unavailable)
  await using machine = await startMachine({ upstream: registry.url })
  const manifest = {
    ...fixtureProject,
    devDependencies: { ...fixtureProject.devDependencies, 'bun-catalog-p2p': '*' },
  }
  const files = {
    'package.json': JSON.stringify(manifest),
    'bunfig.toml': '[install.security]\nscanner = "bun-catalog-p2p"\n',
  }
  await install(machine.url, files)
  const { lists, packages: count } = machine.gateway.stats().hints
  expect(lists).toBeGreaterThan(0)
  expect(count).toBeGreaterThanOrEqual(expected.size)
})

test('a folder or a git repository is no reason to believe that the daemon is meant', async () => {
  const { scanner } = (await import(pathToFileURL(join(FOLDER, 'scanner.js')).href)) as {
    scanner: { scan(of: { packages: readonly object[] }): Promise<unknown> }
  }
  await using daemon = await startScriptedDaemon({
    registry: `${registry.url}/`,
    answer: (_path, response) => void response.destroy(),
  })
  vi.stubEnv('CATALOG_PORT', String(daemon.port))
  try {
    // As Bun says it, of a registry that is not on this machine.
    const elsewhere = 'https://main.invalid/fx-lib/-/fx-lib-1.0.0.tgz'
    const others = [
      { name: 'fx-lib', version: '1.0.0', tarball: elsewhere },
      { name: 'folder', version: 'file:folder', tarball: '' },
      { name: 'repository', version: 'git+ssh://git@main.invalid/x.git#c0ffee', tarball: '' },
      { name: 'archive', version: './local.tgz', tarball: './local.tgz' },
    ]
    await scanner.scan({ packages: others })
    expect(daemon.hints).toEqual([])
    const own = { name: 'fx-tree', version: '1.0.0-rc.1+2', tarball: '' }
    await scanner.scan({ packages: [...others, own] })
    expect(daemon.hints).toEqual([[{ name: own.name, version: own.version }]])
  } finally {
    vi.unstubAllEnvs()
  }
})

test('with another registry, or a daemon that does not answer, Bun installs as it does alone', async ({
  skip,
}) => {
  if (unavailable !== undefined) skip(unavailable)
  await using plain = await startRegistry({ packages, tarballs: 'self' })
  const { cwd } = await install(plain.url, { 'bunfig.toml': BY_PATH })
  await installed(cwd)
  expect(plain.requests.filter(({ method }) => method === 'POST')).toEqual([])

  await using mute = await startScriptedDaemon({
    ...{ registry: `${plain.url}/`, isMute: true },
    answer: (path, response) => {
      void fetch(plain.url + path.replace('/@fx/', '/@fx%2f')).then(async (found) => {
        const body = Buffer.from(await found.arrayBuffer())
        const url = `http://127.0.0.1:${mute.port}`
        response.end(path.endsWith('.tgz') ? body : body.toString().replaceAll(plain.url, url))
      })
    },
  })
  const url = `http://127.0.0.1:${mute.port}`
  await installed((await install(url, { 'bunfig.toml': BY_PATH })).cwd)
  expect(mute.hints).toEqual([])
})
