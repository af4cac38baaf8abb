/**
 * Every client by every feature, with real clients through one gateway. The registry behind it is a real Verdaccio with what
 * it lacks put in front (advisories), and a small registry of fixtures behind. The cells are data in features-table.ts; a cell
 * passes only if the client did what it was told and the gateway (or, for those that say so, not the gateway) was asked.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { format } from 'prettier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, runClient, type ClientResult, type Workspace } from '../support/client.ts'
import { clientCommand, findClient, tagsOf, whyUnavailable } from '../support/clients.ts'
import {
  forgetTarballs,
  GONE_DEPENDENCIES,
  startGone,
  type GoneWorld,
} from '../support/features/features-gone.ts'
import { addAdvisories, VULNERABLE } from '../support/features/features-pages.ts'
import {
  COLUMNS,
  FEATURE_NAMES,
  featuresMarkdown,
  NAMES,
  npmOnPath,
  pluginSettings,
  type Cell,
  type Column,
  type Feature,
} from '../support/features/features-table.ts'
import { startWholeUpstream, type WholeUpstream } from '../support/features/features-upstream.ts'
import { startPlainVerdaccio } from '../support/features/features-verdaccio.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { readInstalled } from '../support/installed.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import type { Verdaccio } from '../support/registries/verdaccio.ts'
import { repositoryRoot } from '../support/source-tree.ts'
import { packPlugin, runYarn } from '../support/yarn-plugin.ts'

const { locked, added, tool, toolSays } = NAMES
const script = `#!/usr/bin/env node\nconsole.log(${JSON.stringify(toolSays)})\n`
const packages = [
  ...['1.1.0', '1.3.0', '2.0.0'].map((version) => makePackage(locked, version)),
  makePackage(added, '1.4.0'),
  ...['1.0.0', '1.1.0'].map((version) => makePackage(VULNERABLE, version)),
  makePackage(tool, '1.0.0', { bin: { 'fx-tool': 'tool.js' } }, [
    { path: 'tool.js', content: script, executable: true },
  ]),
]

let workspace: Workspace
let registry: LoopbackRegistry
let verdaccio: Verdaccio
let upstream: WholeUpstream
let machine: Machine
/** One with the gateway as its uplink. */
let inFront: Verdaccio
let inFrontFolder: string
let plugin: string
let gone: GoneWorld
let token: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  const behind = await workspace.folder('verdaccio')
  verdaccio = await startPlainVerdaccio({ folder: behind, uplink: registry.url })
  upstream = await startWholeUpstream(verdaccio.url)
  addAdvisories(upstream)
  machine = await startMachine({ upstream: upstream.url })
  inFrontFolder = await workspace.folder('verdaccio')
  inFront = await startPlainVerdaccio({ folder: inFrontFolder, uplink: machine.url })
  plugin = await packPlugin()
  gone = await startGone(workspace, plugin)
  token = await makeUser()
  await putNpmOnPath(npmOnPath(workspace.path))
})

afterAll(async () => {
  await gone[Symbol.asyncDispose]()
  await inFront[Symbol.asyncDispose]()
  await machine[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await verdaccio[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

/** A project of one client, from one cell to the next. */
interface Project {
  readonly column: Column
  readonly cwd: string
  /** Another project, for a machine of its own. */
  readonly goner: string
  /** The clients' view of where packages are. */
  readonly registry: string
  home: string
}

const inside = async (project: Project): Promise<string[]> => [
  ...(await readInstalled(project.cwd)).keys(),
]

/** Runs the arguments of a cell, and holds what went through the gateway against what the cell says. */
async function run(
  project: Project,
  cell: Exclude<Cell, { lacks: string }>,
  more: { cwd?: string; exitCodes?: readonly number[]; isLoggedIn?: boolean } = {},
): Promise<ClientResult> {
  const { column, home, registry: url } = project
  const isDirect = 'direct' in cell
  const args = isDirect ? cell.direct : cell
  const before = passedOn()
  const path = [npmOnPath(workspace.path), process.env.PATH].join(delimiter)
  const env = { PATH: path, ...(more.isLoggedIn === true && column.loggedIn(token, url)) }
  const where = { cwd: more.cwd ?? project.cwd, home, registry: url, env }
  const result =
    column.mode === 'plugin'
      ? await runYarn(args, { ...where, settings: pluginSettings(plugin, machine.url) })
      : await runClient(column.client, args, where)
  const said = `${column.client} ${args.join(' ')}:\n${result.output}`
  expect(more.exitCodes ?? [0], said).toContain(result.exitCode)
  if (isDirect) expect(passedOn(), said).toBe(before)
  return result
}

/** Requests about packages so far. */
function askedOfGateway(): number {
  const { packument, tarball, passthrough, 'dist-tags': tags } = machine.gateway.stats().requests
  return packument + tarball + passthrough + tags
}

/** Calls that are not about metadata and packages. */
function passedOn(): number {
  const { passthrough, 'dist-tags': tags } = machine.gateway.stats().requests
  return passthrough + tags
}

function tarballsSent(): number {
  const { tarballs } = machine.gateway.stats()
  return tarballs.store.artifacts + tarballs.origin.artifacts + tarballs.peer.artifacts
}

type Cells = Readonly<
  Record<Feature, (project: Project, cell: Exclude<Cell, { lacks: string }>) => Promise<void>>
>

const CELLS: Cells = {
  async install(project, cell) {
    const before = tarballsSent()
    await run(project, cell)
    expect(await inside(project)).toEqual([`${locked}@1.1.0`, `${VULNERABLE}@1.0.0`])
    expect(tarballsSent()).toBe(before + 2)
  },

  async frozen(project, cell) {
    await rm(join(project.cwd, 'node_modules'), { recursive: true })
    project.home = await workspace.folder('home') // nothing in any cache
    const file = join(project.cwd, findClient(project.column.client).lockfile)
    const lockfile = await readFile(file, 'utf8')
    if (project.column.mode === 'behind-verdaccio') {
      const tarballs = [`${locked}-1.1.0.tgz`, `${VULNERABLE}-1.0.0.tgz`]
      await forgetTarballs(inFrontFolder, tarballs)
    }
    const before = tarballsSent()
    await run(project, cell)
    expect(await inside(project)).toEqual([`${locked}@1.1.0`, `${VULNERABLE}@1.0.0`])
    expect(await readFile(file, 'utf8')).toBe(lockfile)
    expect(tarballsSent()).toBe(before + 2)
  },

  async add(project, cell) {
    await run(project, cell)
    expect(await inside(project)).toContain(`${added}@1.4.0`)
    expect(await dependencies(project)).toHaveProperty([added])
  },

  async update(project, cell) {
    await loosenRange(project)
    await run(project, cell)
    expect(await inside(project)).toContain(`${locked}@1.3.0`)
  },

  async remove(project, cell) {
    await run(project, cell)
    expect(await dependencies(project)).not.toHaveProperty([added])
    // Some keep it where nothing leads to it.
    expect(existsSync(join(project.cwd, 'node_modules', added))).toBe(false)
  },

  async info(project, cell) {
    const { output } = await run(project, cell)
    expect(output).toContain('2.0.0')
    expect(output).toContain(`Fixture ${locked}`)
  },

  async audit(project, cell) {
    // Codes say how bad it is.
    const { output } = await run(project, cell, { exitCodes: [1, 8] })
    expect(output).toContain('Fixture flaw')
  },

  async tags(project, cell) {
    expect((await run(project, cell)).output).toMatch(/latest\W+2\.0\.0/)
  },

  async search(project, cell) {
    expect((await run(project, cell)).output).toContain(`"${locked}"`)
  },

  async exec(project, cell) {
    const cwd = await workspace.folder('elsewhere')
    if (project.column.client === 'yarn-4') await writeFile(join(cwd, 'yarn.lock'), '')
    expect((await run(project, cell, { cwd })).output).toContain(toolSays)
  },

  async publish(project, cell) {
    const cwd = await workspace.folder('published')
    const name = `@fx-own/${project.column.title.toLowerCase().replace(/\W+/g, '-')}`
    const manifest = { name, version: '1.0.0', license: 'MIT' }
    await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
    // Yarn 1 knows tokens from .npmrc only.
    const host = new URL(project.registry).host
    await writeFile(join(cwd, '.npmrc'), `//${host}/:_authToken=${token}\n`)
    if (project.column.client === 'yarn-4') {
      await writeFile(join(cwd, 'yarn.lock'), '')
      await run(project, ['install'], { cwd })
    }
    await run(project, cell, { cwd, isLoggedIn: true })
    const put = upstream.calls.findLast(
      ({ method, url }) => method === 'PUT' && url.includes('fx-own'),
    )
    const isDirect = 'direct' in cell
    expect(put?.headers.via?.includes('catalog-') === true).toBe(!isDirect)
    const response = await fetch(`${machine.url}/${name.replace('/', '%2f')}`)
    expect(await response.json()).toMatchObject({ 'dist-tags': { latest: '1.0.0' } })
  },

  async gone({ column, goner }, cell) {
    const manifest = { name: 'gone', private: true, dependencies: GONE_DEPENDENCIES }
    await writeFile(join(goner, 'package.json'), JSON.stringify(manifest))
    await gone.install(argumentsOf(cell), {
      column,
      cwd: goner,
      home: await workspace.folder('home'),
    })
  },

  async goneFrozen({ column, goner }, cell) {
    await rm(join(goner, 'node_modules'), { recursive: true })
    await gone.install(argumentsOf(cell), {
      column,
      cwd: goner,
      home: await workspace.folder('home'),
    })
  },
}

function argumentsOf(cell: Exclude<Cell, { lacks: string }>): readonly string[] {
  return 'direct' in cell ? cell.direct : cell
}

for (const column of COLUMNS) {
  describe(column.title, { tags: tagsOf(column.client) }, () => {
    const unavailable = whyUnavailable(findClient(column.client))
    let project: Project
    beforeAll(async () => {
      const url = { registry: machine.url, plugin: upstream.url, 'behind-verdaccio': inFront.url }[
        column.mode
      ]
      const [cwd, home] = [await workspace.folder('project'), await workspace.folder('home')]
      project = { column, cwd, goner: await workspace.folder('gone'), home, registry: url }
      const wanted = { [locked]: '1.1.0', [VULNERABLE]: '1.0.0' }
      const manifest = { name: 'project', version: '1.0.0', private: true, dependencies: wanted }
      await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
    })

    for (const feature of FEATURE_NAMES) {
      const cell = column.cells[feature]
      // What a client lacks is no test that could pass or fail; the table says it.
      if ('lacks' in cell) continue
      test(feature, async ({ skip }) => {
        if (unavailable !== undefined) skip(unavailable)
        const before = askedOfGateway()
        await CELLS[feature](project, cell)
        const isAsked = askedOfGateway() > before
        if (!['remove', 'gone', 'goneFrozen'].includes(feature) && !('direct' in cell))
          expect(isAsked, 'the gateway is asked').toBe(true)
      })
    }
  })
}

test('docs/clients.md holds this table', async () => {
  const page = await readFile(join(repositoryRoot, 'docs', 'clients.md'), 'utf8')
  const style = { parser: 'markdown', printWidth: 100, singleQuote: true, semi: false } as const
  const table = await format(featuresMarkdown(), style)
  expect(page.replaceAll('\r\n', '\n'), 'npm run test:clients -- --table prints it').toContain(
    table,
  )
})

async function dependencies({ cwd }: Project): Promise<Record<string, string>> {
  const text = await readFile(join(cwd, 'package.json'), 'utf8')
  return (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies
}

/** The project takes newer ones from now on; what is locked stays. */
async function loosenRange({ cwd, column }: Project): Promise<void> {
  const loosen = async (file: string, from: RegExp, to: string): Promise<void> => {
    const text = await readFile(join(cwd, file), 'utf8')
    expect(text).toMatch(from)
    await writeFile(join(cwd, file), text.replace(from, to))
  }
  await loosen('package.json', /"fx-leaf":\s*"1\.1\.0"/, '"fx-leaf": "^1.1.0"')
  // Yarn 1 refuses a lockfile without this very range.
  if (column.client === 'yarn-1') await loosen('yarn.lock', /fx-leaf@1\.1\.0:/, 'fx-leaf@^1.1.0:')
}

async function makeUser(): Promise<string> {
  const response = await fetch(`${verdaccio.url}/-/user/org.couchdb.user:alice`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'alice', password: 'a password for tests' }),
  })
  return ((await response.json()) as { token: string }).token
}

async function putNpmOnPath(folder: string): Promise<void> {
  const [node, cli = ''] = clientCommand(findClient('npm-11'))
  await mkdir(folder)
  await writeFile(join(folder, 'npm.cmd'), `@"${node}" "${cli}" %*\r\n`)
  // No shell script: a shell drops variables like npm_config_//host/:_authToken.
  await writeFile(join(folder, 'npm'), `#!${node}\nrequire(${JSON.stringify(cli)})\n`)
  await chmod(join(folder, 'npm'), 0o755)
}
