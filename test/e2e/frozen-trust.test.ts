/**
 * `catalog exec --frozen-trust` on a store that an attacker has written, in every way that we can think of, with real clients: the
 * install is right. What is poisoned is shown to matter where that can be: without the option it has an effect.
 */
import { cp, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { findClient, NO_RETRIES, type ClientName } from '../support/clients.ts'
import { clientByExec, type ExecResult } from '../support/exec-run.ts'
import {
  fixturePackages,
  fixtureProject,
  makePackage,
  expectedInstall,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import {
  editedRows,
  flippedFiles,
  harmedArtifacts,
  linksForFiles,
  pipesForFiles,
  swappedArtifacts,
  type Poison,
} from '../support/poisoned-store.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'

const packages = fixturePackages().filter(
  ({ name }) => name !== 'fx-tree' && !name.startsWith('fx-tiny'),
)
const dependencies = { ...fixtureProject.dependencies, 'fx-tree': undefined }
const manifest = JSON.stringify({ ...fixtureProject, dependencies })
const right = asInstalled(packages, expectedInstall(packages))
/** What a registry says that is not the one of that address: other bytes, another newest version, one dependency more. */
const evil = [
  makePackage('fx-evil', '1.0.0'),
  makePackage('fx-leaf', '1.9.9'),
  ...packages.map(({ name, version, manifest: said }) =>
    makePackage(name, version, {
      ...said,
      dependencies: {
        ...(said['dependencies'] ?? {}),
        ...(name !== 'fx-leaf' && { 'fx-evil': '*' }),
      },
    }),
  ),
]
const TOKEN = 'a token that the attacker knows'
/** What every exec of these tests asks a catalog for (`ALONE` of exec-run.ts), as daemon.json has it. */
const ASKED_FOR = {
  'loopback-only': true,
  mdns: false,
  dht: false,
  upnp: false,
  'relay-client': false,
}
const posix = process.platform !== 'win32'

let workspace: Workspace
let registry: LoopbackRegistry
/** Filled by honest runs, and by one against another registry at the same address. */
let honest: string
let twin: string
/** A catalog that has asked that other registry, and answers for it. */
let evilMachine: Machine
const lockfiles = new Map<ClientName, string>()

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: evil, tarballs: 'self' })
  const port = Number(new URL(registry.url).port)
  twin = await workspace.folder('twin')
  expect((await install('npm-12', 'fresh', { store: twin, options: [] })).exitCode).toBe(0)
  evilMachine = await startMachine({ upstream: registry.url, gateway: { adminToken: TOKEN } })
  for (const each of evil) {
    await (await fetch(`${evilMachine.url}/${each.name.replace('/', '%2f')}`)).arrayBuffer()
    await (await fetch(evilMachine.url + tarballPath(each))).arrayBuffer()
  }
  await registry.stop()
  registry = await startRegistry({ packages, tarballs: 'self', port })
  honest = await workspace.folder('honest')
  for (const name of ['npm-12', 'pnpm-12'] as const) {
    const { cwd, exitCode, output } = await install(name, 'fresh', { store: honest, options: [] })
    expect(exitCode, output).toBe(0)
    lockfiles.set(name, await readFile(join(cwd, findClient(name).lockfile), 'utf8'))
  }
}, 120_000)
afterAll(async () => {
  await evilMachine[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

interface Run {
  readonly store: string
  readonly options: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

async function install(
  name: ClientName,
  how: 'fresh' | 'frozen',
  { store, options, env }: Run,
): Promise<ExecResult & { cwd: string }> {
  const client = findClient(name)
  const [cwd, home] = [await workspace.folder('project'), await workspace.folder('home')]
  await writeFile(join(cwd, 'package.json'), manifest)
  if (how === 'frozen') await writeFile(join(cwd, client.lockfile), lockfiles.get(name) ?? '')
  const args = how === 'fresh' ? client.install : client.frozen
  const result = await clientByExec(client, args, {
    ...{ cwd, home, registry: registry.url },
    options: ['--store', store, '--port', '0', ...options],
    env: { ...NO_RETRIES, ...env },
  })
  return { ...result, cwd }
}

/** A copy with its times, as CI caches restore it, and a folder beside it that is nobody's business. */
async function poisoned(
  from: string,
  poison: Poison,
): Promise<{ store: string; elsewhere: string }> {
  const folder = await workspace.folder('restored')
  const [store, elsewhere] = [join(folder, 'store'), join(folder, 'elsewhere')]
  await mkdir(elsewhere)
  await cp(from, store, { recursive: true, preserveTimestamps: true })
  await poison(store, elsewhere)
  return { store, elsewhere }
}

async function expectRight({
  exitCode,
  output,
  report,
  cwd,
}: ExecResult & { cwd: string }): Promise<void> {
  expect(exitCode, output).toBe(0)
  expect(report, output).toMatchObject({ gateway: 'own', frozenTrust: true })
  expect(await readInstalled(cwd)).toEqual(right)
}

const FROZEN = ['--frozen-trust']
const untouched: Poison = async () => undefined

interface Case {
  readonly name: string
  readonly from?: 'twin'
  readonly poison: Poison
  /** Artifacts that the store gives in spite of it. */
  readonly given: 'all' | 'none' | 'some'
  readonly needsPosix?: true
}

const CASES: readonly Case[] = [
  { name: 'an honest store', poison: untouched, given: 'all' },
  {
    name: 'the store of another registry at that address',
    from: 'twin',
    poison: untouched,
    given: 'none',
  },
  { name: 'other bytes that the index vouches for', poison: swappedArtifacts, given: 'none' },
  {
    name: 'artifacts harmed in every way',
    poison: harmedArtifacts,
    given: 'some',
    needsPosix: true,
  },
  { name: 'rows that say something else', poison: editedRows, given: 'all' },
  { name: 'bytes flipped in every other file', poison: flippedFiles, given: 'all' },
  { name: 'pipes for all other files', poison: pipesForFiles, given: 'all', needsPosix: true },
  { name: 'links for all other files', poison: linksForFiles, given: 'all', needsPosix: true },
]

describe.for(CASES)('$name', { tags: ['long'], timeout: 60_000 }, (each) => {
  test.for(['npm-12', 'pnpm-12'] as const)('%s, frozen', async (name, { skip }) => {
    if (each.needsPosix && !posix) skip('no such files on Windows')
    const { store, elsewhere } = await poisoned(each.from === 'twin' ? twin : honest, each.poison)
    const before = await readdir(elsewhere, { recursive: true })
    const result = await install(name, 'frozen', { store, options: FROZEN })
    await expectRight(result)
    const given = result.report?.sources?.store.artifacts ?? 0
    if (each.given !== 'none') expect(given).toBeGreaterThan(0)
    if (each.given !== 'some') expect(given).toBe(each.given === 'all' ? right.size : 0)
    expect(await readdir(elsewhere, { recursive: true })).toEqual(before)
    for (const victim of before.filter((path) => path.endsWith('.victim')))
      expect(await readFile(join(elsewhere, victim), 'utf8')).toBe('precious')
    if (each.given === 'all') return
    // What was fetched is there for the next job.
    const again = await install(name, 'frozen', { store, options: FROZEN })
    await expectRight(again)
    expect(again.report?.sources?.store.artifacts).toBe(right.size)
  })
})

describe('metadata', { tags: ['long'], timeout: 60_000 }, () => {
  test('in the store has no effect, which it has without the option', async () => {
    const believed = await install('npm-12', 'fresh', {
      ...(await poisoned(twin, untouched)),
      options: [],
    })
    expect([...(await readInstalled(believed.cwd)).keys()]).toContain('fx-evil@1.0.0')
    const options = FROZEN
    for (const name of ['npm-12', 'pnpm-12', 'yarn-4'] as const)
      await expectRight(
        await install(name, 'fresh', { ...(await poisoned(twin, untouched)), options }),
      )
  })
})

describe('a planted daemon.json', { tags: ['long'], timeout: 60_000 }, () => {
  const plant: Poison = async (store) => {
    const { node, port, url } = evilMachine
    const info = {
      pid: process.pid,
      port,
      url,
      id: node.id,
      token: TOKEN,
      version: '1',
      startedAtMs: 1,
    }
    await writeFile(
      join(store, 'daemon.json'),
      JSON.stringify({
        ...info,
        settings: { ...ASKED_FOR, 'public-registry': [`${registry.url}/`] },
      }),
    )
  }

  test('names no gateway, which it does without the option', async () => {
    const { store } = await poisoned(honest, plant)
    const believed = await install('npm-12', 'fresh', { store, options: [] })
    expect(believed.report).toMatchObject({ gateway: 'daemon' })
    expect([...(await readInstalled(believed.cwd)).keys()]).toContain('fx-evil@1.0.0')
    await expectRight(await install('npm-12', 'fresh', { store, options: FROZEN }))
  })
})

describe('with no registry in reach', { tags: ['long'], timeout: 60_000 }, () => {
  test.for([
    { name: 'an honest store', poison: untouched },
    { name: 'another one', poison: swappedArtifacts },
  ])('$name: the lockfile alone decides, or the install fails', async ({ poison }) => {
    const { store } = await poisoned(honest, poison)
    await registry.stop()
    try {
      const result = await install('npm-12', 'frozen', { store, options: FROZEN })
      if (poison === untouched) return await expectRight(result)
      expect(result.exitCode).not.toBe(0)
      expect(result.output).toMatch(/could not be reached|not reachable|ECONN|502|50\d/)
    } finally {
      await registry.restart()
    }
  })
})

describe("what can't be had", { tags: ['long'], timeout: 60_000 }, () => {
  test.runIf(posix)(
    'a store that is a link is left alone, and so is what it leads to',
    async () => {
      const { store, elsewhere } = await poisoned(twin, untouched)
      const link = join(elsewhere, 'link')
      await symlink(store, link)
      const before = await readdir(store, { recursive: true })
      const result = await install('npm-12', 'frozen', { store: link, options: FROZEN })
      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({
        gateway: 'none',
        problem: expect.stringMatching(/is a link/) as string,
      })
      expect(await readInstalled(result.cwd)).toEqual(right)
      expect(await readdir(store, { recursive: true })).toEqual(before)
      expect((await lstat(link)).isSymbolicLink()).toBe(true)
    },
  )

  test('a client behind a catalog that believes its store does not run', async () => {
    const { store } = await poisoned(honest, untouched)
    const before = registry
    registry = { ...registry, url: evilMachine.url }
    try {
      const result = await install('npm-12', 'frozen', {
        store,
        options: [],
        env: { CATALOG_EXEC_FROZEN_TRUST: '1' },
      })
      expect(result.exitCode).toBe(2)
      expect(result.output).toMatch(
        /believes what its store says; the command does not run. Next step/,
      )
      expect(await readInstalled(result.cwd)).toEqual(new Map())
    } finally {
      registry = before
    }
  })
})
