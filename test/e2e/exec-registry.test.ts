/**
 * Which registry hears of a package under `catalog exec -- CLIENT …`: the one that the client would have asked by itself, and no
 * other, wherever that is said; and where the gateway can't do as the client does, the client does it alone. Two registries on
 * loopback: one that stands for a company's, and one that stands for the public one and must not hear of what is the company's.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { clientCommand, findClient, tagsOf, type ClientName } from '../support/clients.ts'
import { catalogExec, type ExecResult } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'

const ours = makePackage('fx-ours', '1.0.0')
const strangers = makePackage('fx-ours', '9.9.9')
const scoped = makePackage('@corp/fx-ours', '1.0.0')

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace()
})
afterAll(() => workspace[Symbol.asyncDispose]())

let company: FaultyUpstream
let elsewhere: FaultyUpstream
let [cwd, home] = ['', '']
beforeEach(async () => {
  company = await startUpstream([ours, scoped])
  elsewhere = await startUpstream([strangers])
  ;[cwd, home] = await Promise.all([workspace.folder('project'), workspace.folder('home')])
  await write('package.json', project('fx-ours'))
})
afterEach(async () => {
  await Promise.all([company.stop(), elsewhere.stop()])
})

const project = (name: string): string =>
  JSON.stringify({ name: 'p', version: '1.0.0', dependencies: { [name]: '*' } })

async function write(path: string, text: string, folder = cwd): Promise<void> {
  await mkdir(join(folder, path, '..'), { recursive: true })
  await writeFile(join(folder, path), text)
}

async function install(
  name: ClientName,
  args: readonly string[],
  { env = {}, options = [] }: { env?: Record<string, string>; options?: string[] } = {},
): Promise<ExecResult> {
  const client = findClient(name)
  return catalogExec([...clientCommand(client), ...args], {
    ...{ cwd, home, options: ['--port', '0', ...options] },
    env: { ...client.variables(home), ...env },
  })
}

/** Its version, where a client has put it. */
async function installed(folder = cwd, name = 'fx-ours'): Promise<unknown> {
  const text = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version?: unknown }).version
}

const named = (registry: FaultyUpstream): string => `registry=${registry.url}\n`
const isOurs = /fx-ours/

describe('the registry is that of the folder in which the client works', () => {
  const CASES: readonly [ClientName, string[], string, (url: string) => string][] = [
    ['npm-12', ['install', '--prefix', 'inner'], '.npmrc', (url) => `registry=${url}\n`],
    ['pnpm-10', ['-C', 'inner', 'install'], '.npmrc', (url) => `registry=${url}\n`],
    ['pnpm-12', ['install', '--dir=inner'], '.npmrc', (url) => `registry=${url}\n`],
    [
      'yarn-4',
      ['--cwd', 'inner', 'install'],
      '.yarnrc.yml',
      (url) =>
        `npmRegistryServer: "${url}"\nnodeLinker: node-modules\nenableTelemetry: false\nunsafeHttpWhitelist: ["127.0.0.1"]\n`,
    ],
  ]
  for (const [name, args, file, text] of CASES)
    test(`${name} ${args.join(' ')}`, { tags: tagsOf(name) }, async () => {
      await write('package.json', '{"name":"outer","version":"1.0.0"}')
      await write(file, text(elsewhere.url))
      await write('inner/package.json', project('fx-ours'))
      await write(`inner/${file}`, text(company.url))
      if (name === 'yarn-4') await write('inner/yarn.lock', '')
      const result = await install(name, args)

      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({ gateway: 'own', upstream: company.url })
      expect(await installed(join(cwd, 'inner'))).toBe('1.0.0')
      expect(elsewhere.count(isOurs)).toBe(0)
    })
})

describe('the registry is the one that variables name', () => {
  const CASES = [
    ['npm-12', 'NPM_CONFIG_REGISTRY'],
    ['pnpm-10', 'npm_config_registry'],
    ['pnpm-12', 'PNPM_CONFIG_REGISTRY'],
  ] as const
  for (const [name, variable] of CASES)
    test(`${name}: ${variable}`, { tags: tagsOf(name) }, async () => {
      await write('.npmrc', named(elsewhere))

      const result = await install(name, ['install'], { env: { [variable]: company.url } })

      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({ gateway: 'own', upstream: company.url })
      expect(await installed()).toBe('1.0.0')
      expect(elsewhere.count(isOurs)).toBe(0)
    })
})

test.each(['npm-12', 'pnpm-12'] as const)(
  '%s: a scope’s registry alone hears of it',
  async (name) => {
    await write('package.json', project('@corp/fx-ours'))
    await write('.npmrc', `${named(elsewhere)}@corp:registry=${company.url}\n`)

    const result = await install(name, ['install'])

    expect(result.exitCode, result.output).toBe(0)
    expect(await installed(cwd, '@corp/fx-ours')).toBe('1.0.0')
    expect(company.count(isOurs)).toBeGreaterThan(0)
    expect(elsewhere.count(isOurs)).toBe(0)
  },
)

describe('credentials that only the client has: it goes alone', () => {
  beforeEach(() => company.wall(isOurs, ['Bearer hush', 'Basic bWU6aHVzaA==']))

  for (const name of ['pnpm-11', 'pnpm-12'] as const)
    test(`${name}: pnpm_config__auth`, { tags: tagsOf(name) }, async () => {
      const auth = JSON.stringify({ [company.url]: { '@': { authToken: 'hush' } } })
      // --upstream stands for the public registry, which nothing here says is not to be asked.
      const options = ['--upstream', elsewhere.url]

      const result = await install(name, ['install'], { env: { pnpm_config__auth: auth }, options })

      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({ gateway: 'none' })
      expect(await installed()).toBe('1.0.0')
      expect(elsewhere.count(isOurs)).toBe(0)
    })

  test.skipIf(process.platform === 'win32')('pnpm: tokenHelper', async () => {
    const helper = join(home, 'helper')
    await write('helper', '#!/bin/sh\necho Bearer hush\n', home)
    await chmod(helper, 0o755)
    const { host } = new URL(company.url)
    await write('.npmrc', `${named(company)}//${host}/:tokenHelper=${helper}\n`, home)

    const result = await install('pnpm-11', ['install'])

    expect(result.exitCode, result.output).toBe(0)
    expect(result.report).toMatchObject({ gateway: 'none' })
    expect(result.report?.problem).toContain('tokenHelper')
    expect(await installed()).toBe('1.0.0')
  })

  for (const name of ['pnpm-10', 'pnpm-12'] as const)
    test(`${name}: _auth`, { tags: tagsOf(name) }, async () => {
      await write('.npmrc', `${named(company)}_auth=bWU6aHVzaA==\n`, home)

      const result = await install(name, ['install'])

      expect(result.exitCode, result.output).toBe(0)
      expect(await installed()).toBe('1.0.0')
    })
})

for (const name of ['pnpm-10', 'pnpm-12'] as const) {
  test(
    `${name}: where it locks the URLs of tarballs it locks the registry’s`,
    { tags: tagsOf(name) },
    async () => {
      await write('.npmrc', named(company))
      await write('pnpm-workspace.yaml', 'lockfileIncludeTarballUrl: true\n')

      const result = await install(name, ['install'])

      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({ gateway: 'none' })
      const lockfile = await readFile(join(cwd, 'pnpm-lock.yaml'), 'utf8')
      expect(lockfile).toContain(`tarball: ${company.url}fx-ours/-/`)
    },
  )
}

describe('npm, where the registry keeps tarballs at unusual places', () => {
  test.each([
    ['beside its path', (origin: string) => `${origin}/files/fx-ours-1.0.0.tgz`],
    ['behind a query', (origin: string) => `${origin}/npm/fx-ours/-/fx-ours-1.0.0.tgz?sig=1`],
    ['behind two slashes', (origin: string) => `${origin}/npm//fx-ours/-/fx-ours-1.0.0.tgz`],
  ])('%s', async (_, place) => {
    await using registry = await startUpstream([ours], { prefix: '/npm/' })
    const url = place(new URL(registry.url).origin)
    const { versions } = registry.document('fx-ours')
    for (const { dist } of Object.values(versions)) dist.tarball = url
    const { pathname, search } = new URL(url)
    registry.otherwise = (request, response) => {
      if (request.url === pathname + search) response.end(ours.tarball)
      else response.writeHead(404).end('{}')
    }
    await write('.npmrc', named(registry))

    // npm 12 by itself refuses some of them.
    const result = await install('npm-11', ['install'])

    expect(result.exitCode, result.output).toBe(0)
    expect(result.report?.problem).toContain('keeps tarballs at unusual places')
    expect(await installed()).toBe('1.0.0')
    expect(await readFile(join(cwd, 'package-lock.json'), 'utf8')).toContain(`"${url}"`)
  })
})
