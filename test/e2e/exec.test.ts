/**
 * `catalog exec -- CLIENT …` with every package manager, against what the same client does without it: a frozen install
 * from the lockfile that the client made by itself, and a fresh one, every package through us where the client lets us; the
 * lockfile and the user's files are in the end byte for byte what they would have been.
 */
import { parseDigest, type CatalogNode } from '@catalog-p2p/core'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import {
  tagsOf,
  ends,
  findClient,
  whyUnavailable,
  type Client,
  type ClientName,
} from '../support/clients.ts'
import { clientByExec, type ExecResult } from '../support/exec-run.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { quietNode, startMachine } from '../support/machines/machine.ts'
import {
  publicRegistry,
  startRegistry,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const manifest = `${JSON.stringify(fixtureProject, null, 2)}\n`

let workspace: Workspace
let peer: CatalogNode
let options: string[]

beforeAll(async () => {
  workspace = await createWorkspace()
  peer = await quietNode({ store: { path: await workspace.folder('peer') } })
  for (const { tarball, integrity } of packages) {
    expect(await peer.put(tarball)).toBe(parseDigest(integrity))
  }
  const address = peer.stats().addresses.find((each) => each.includes('/quic-v1')) ?? ''
  options = ['--bootstrap', address, '--port', '0']
})

afterAll(async () => {
  await peer.close()
  await workspace[Symbol.asyncDispose]()
})

type Way = 'through us' | 'left alone'

interface Expectation {
  /** From a lockfile that the client has made. */
  readonly frozen: Way
  /** Without a lockfile. */
  readonly fresh: Way
}

const THROUGH: Expectation = { frozen: 'through us', fresh: 'through us' }

/** Behind a company's registry, which names itself in metadata. */
const BEHIND_A_COMPANY: Partial<Record<ClientName, Expectation>> = {
  // What is locked comes through its offline mirror; it locks whatever registry it is pointed at.
  'yarn-1': { frozen: 'through us', fresh: 'left alone' },
  // They can't be asked which registry they use, so they go where their files say.
  bun: { frozen: 'left alone', fresh: 'left alone' },
  deno: { frozen: 'left alone', fresh: 'left alone' },
}

const table = ends.map((client) => ({ name: client.name, client }))

for (const row of table) {
  describe(`behind a company registry: ${row.name}`, { tags: tagsOf(row.name) }, () =>
    companySuite(row),
  )
}

function companySuite({ name, client }: (typeof table)[number]): void {
  const unavailable = whyUnavailable(client)
  const { frozen, fresh } = BEHIND_A_COMPANY[name] ?? THROUGH
  let registry: LoopbackRegistry
  let lockfile: string

  beforeAll(async () => {
    registry = await startRegistry({ packages, tarballs: 'self', gatewaysWaitMs: 1_000 })
    if (unavailable !== undefined) return
    const own = await project()
    await mustRunClient(name, client.install, { ...own, registry: registry.url })
    lockfile = await readFile(join(own.cwd, client.lockfile), 'utf8')
    registry.forget()
  })

  afterAll(() => registry.stop())

  test(`frozen: ${frozen}`, async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, home } = await project()
    await writeFile(join(cwd, client.lockfile), lockfile)
    const run = { cwd, home, options, registry: registry.url }

    const result = await clientByExec(client, client.frozen, run)

    await expectInstalled(result, { client, cwd, home, lockfile, registry: registry.url })
    expectWay(result, frozen, registry)
  })

  test(`fresh: ${fresh}`, async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, home } = await project()
    registry.forget()
    const run = { cwd, home, options, registry: registry.url }

    const result = await clientByExec(client, client.install, run)

    await expectInstalled(result, { client, cwd, home, lockfile, registry: registry.url })
    expectWay(result, fresh, registry)
  })
}

/** The newest of each kind; what differs between versions of npm and pnpm is in the table above. */
const NEWEST: readonly ClientName[] = ['npm-12', 'pnpm-12', 'yarn-1', 'yarn-4', 'bun', 'deno']

/**
 * Clients that no file tells of a registry, and a lockfile as it is with the public one (a gateway makes the same, as
 * clients.test.ts shows). The public registry itself is out of the tests' reach, so --upstream names one that stands for it.
 */
for (const row of table.filter(({ name }) => NEWEST.includes(name))) {
  describe(`with the public registry: ${row.name}`, { tags: tagsOf(row.name) }, () =>
    publicSuite(row),
  )
}

function publicSuite({ name, client }: (typeof table)[number]): void {
  const unavailable = whyUnavailable(client)
  let registry: LoopbackRegistry
  let lockfile: string

  beforeAll(async () => {
    registry = await startRegistry({ packages, gatewaysWaitMs: 1_000 })
    if (unavailable !== undefined) return
    await using machine = await startMachine({ upstream: registry.url })
    const own = await project()
    await mustRunClient(name, client.install, { ...own, registry: machine.url })
    lockfile = await readFile(join(own.cwd, client.lockfile), 'utf8')
    if (name === 'yarn-1') lockfile = lockfile.replaceAll(machine.url, yarnAlias())
    registry.forget()
  })

  afterAll(() => registry.stop())

  test('frozen: through us', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, home } = await project()
    await writeFile(join(cwd, client.lockfile), lockfile)
    const given = [...options, '--upstream', registry.url]

    const run = { cwd, home, options: given, registry: undefined }
    const result = await clientByExec(client, client.frozen, run)

    await expectInstalled(result, { client, cwd, home, lockfile, registry: undefined })
    expectWay(result, 'through us', registry)
  })

  test('fresh: through us', async ({ skip }) => {
    if (name === 'yarn-1') skip('it is left alone, and would go to the public registry')
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, home } = await project()
    registry.forget()
    const given = [...options, '--upstream', registry.url]

    const run = { cwd, home, options: given, registry: undefined }
    const result = await clientByExec(client, client.install, run)

    await expectInstalled(result, { client, cwd, home, lockfile, registry: undefined })
    expectWay(result, 'through us', registry)
  })
}

/** A mirror that passes metadata on as it is, the public registry's tarballs in it: npm asks the mirror for them. */
describe.each(table.filter(({ name }) => name === 'npm-12'))(
  'behind a registry that names public tarballs: $name',
  ({ name, client }) => {
    const unavailable = whyUnavailable(client)

    test('fresh: through us, same lockfile', async ({ skip }) => {
      if (unavailable !== undefined) skip(unavailable)
      await using registry = await startRegistry({ packages })
      const own = await project()
      await mustRunClient(name, client.install, { ...own, registry: registry.url })
      const lockfile = await readFile(join(own.cwd, client.lockfile), 'utf8')
      const { cwd, home } = await project()
      registry.forget()

      const run = { cwd, home, options, registry: registry.url }
      const result = await clientByExec(client, client.install, run)

      await expectInstalled(result, { client, cwd, home, lockfile, registry: registry.url })
      expectWay(result, 'through us', registry)
    })
  },
)

/** A dependency by URL has nothing to do with the registry, whatever the path in it. */
test('behind a company registry npm gets a dependency by URL from where it is', async ({
  skip,
}) => {
  const client = findClient('npm-11')
  const unavailable = whyUnavailable(client)
  if (unavailable !== undefined) skip(unavailable)
  await using registry = await startRegistry({ packages, tarballs: 'self' })
  await using other = await startRegistry({ packages, tarballs: 'self' })
  const { port } = new URL(other.url)
  const url = `http://localhost:${port}/fx-tiny-0/-/fx-tiny-0-1.0.0.tgz`
  const byUrl = JSON.stringify({ name: 'p', version: '1.0.0', dependencies: { 'fx-tiny-0': url } })
  const own = await project()
  await writeFile(join(own.cwd, 'package.json'), byUrl)
  await mustRunClient('npm-11', client.install, { ...own, registry: registry.url })
  const { cwd, home } = await project()
  await writeFile(join(cwd, 'package.json'), byUrl)
  other.forget()

  const run = { cwd, home, options, registry: registry.url }
  const result = await clientByExec(client, client.install, run)

  expect(result.exitCode, result.output).toBe(0)
  const [through, without] = await Promise.all(
    [cwd, own.cwd].map((folder) => readFile(join(folder, client.lockfile), 'utf8')),
  )
  expect(through?.replace(/"name": ".*"/, '')).toBe(without?.replace(/"name": ".*"/, ''))
  expect(other.requests.some(({ kind }) => kind === 'tarball')).toBe(true)
})

/** As good as one that package.json names: npm replaces hosts in what it reads from metadata and lockfiles only. */
test('and one that only the command line names, though it is on the same host', async ({
  skip,
}) => {
  const client = findClient('npm-11')
  const unavailable = whyUnavailable(client)
  if (unavailable !== undefined) skip(unavailable)
  await using registry = await startRegistry({ packages, tarballs: 'self' })
  await using other = await startRegistry({ packages, tarballs: 'self' })
  expect(new URL(other.url).hostname).toBe(new URL(registry.url).hostname)
  const args = ['install', `${other.url}/fx-tiny-0/-/fx-tiny-0-1.0.0.tgz`]
  const [own, { cwd, home }] = await Promise.all([project(), project()])
  await mustRunClient('npm-11', args, { ...own, registry: registry.url })
  other.forget()

  const run = { cwd, home, options, registry: registry.url }
  const result = await clientByExec(client, args, run)

  expect(result.exitCode, result.output).toBe(0)
  expect(result.report).toMatchObject({ gateway: 'own' })
  const [through, without] = await Promise.all(
    [cwd, own.cwd].map((folder) => readFile(join(folder, client.lockfile), 'utf8')),
  )
  expect(through).toBe(without)
  expect(through).toContain(`"resolved": "${other.url}/`)
  expect(other.requests.map(({ kind }) => kind)).toContain('tarball')
})

interface Place {
  readonly client: Client
  readonly cwd: string
  readonly home: string
  readonly lockfile: string
  readonly registry: string | undefined
}

/** Every byte of every package, the lockfile as without us, and no file of the user's or the project's touched. */
async function expectInstalled(result: ExecResult, place: Place): Promise<void> {
  const { client, cwd, home, lockfile, registry } = place
  expect(result.exitCode, result.output).toBe(0)
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
  expect(await readFile(join(cwd, client.lockfile), 'utf8')).toBe(lockfile)
  expect(await readFile(join(cwd, 'package.json'), 'utf8')).toBe(manifest)
  const known = ['node_modules', 'package.json', client.lockfile, '.yarn', '.pnpm-store']
  expect((await readdir(cwd)).filter((name) => !known.includes(name))).toEqual([])
  for (const [path, content] of Object.entries(client.files(registry ?? ''))) {
    if (registry !== undefined) expect(await readFile(join(home, path), 'utf8')).toBe(content)
  }
}

function expectWay({ report, output }: ExecResult, way: Way, registry: LoopbackRegistry): void {
  const upstream = `${registry.url}/`
  if (way === 'left alone') {
    expect(report).toMatchObject({ gateway: 'none' })
    expect(report?.problem).toMatch(/is not pointed at the gateway: /)
    const line = output.split('\n').find((each) => each.includes('running the command without'))
    const step = report?.next === undefined ? '' : `. Next step: ${report.next}`
    expect(line).toContain(`${report?.problem}; running the command without peers${step}`)
    return
  }
  expect(report).toMatchObject({ gateway: 'own', upstream })
  const { peer: peers, store, origin } = report?.sources ?? {}
  const through = [peers, store, origin].map((each) => each?.artifacts ?? 0)
  expect(through.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(expected.size)
  // A peer that is slow, on a busy machine, is not waited for: but it is the gateway then that asks.
  expect(peers?.artifacts).toBeGreaterThan(0)
  const asked = registry.requests.filter(({ kind }) => kind === 'tarball')
  expect(asked.filter(({ headers }) => !headers['user-agent']?.startsWith('catalog-p2p'))).toEqual(
    [],
  )
}

/** The name that Yarn 1 has for npm's public registry, and puts into every lockfile. */
function yarnAlias(): string {
  return publicRegistry().replace(/[^.]+\.[^.]+$/, 'yarnpkg.com')
}

/** A new project, and a new home with nothing in any cache. */
async function project(): Promise<{ cwd: string; home: string }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), manifest)
  const home = await workspace.folder('home')
  await mkdir(join(home, 'tmp'), { recursive: true })
  return { cwd, home }
}
