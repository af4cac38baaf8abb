/** What `catalog use` lets a client lose: nothing but the public registry, whatever the spelling and wherever the client has it from. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import { clientFiles } from '../../clients/client-files.ts'
import type { ClientName } from '../../clients/client.ts'
import type { UsedGateway } from './registry-conflict.ts'
import { upstreamBeforeUse } from './upstream-before-use.ts'
import { useRegistry } from './use-registry.ts'
import { useStatePath } from './use-state.ts'
import { unuseClients, type UseDependencies } from './use.ts'

const URL_A = 'http://127.0.0.1:4874/'
const COMPANY = 'https://npm.company.example/repo/'
const OTHER = 'https://npm.other.example/'
const YARN_ALIAS = `https://${DEFAULT_REGISTRY_HOST.replace(/\.[^.]+\.[^.]+$/, '.yarnpkg.com')}`

let home: string
let deps: UseDependencies
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-home-'))
  const env = { npm_config_globalconfig: join(home, 'global.npmrc') }
  deps = {
    context: { env, home, platform: process.platform },
    statePath: useStatePath(join(home, 'state')),
  }
})
afterEach(() => rmSync(home, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const fileOf = (client: ClientName, at: number): string =>
  clientFiles(client, deps.context)[at]?.path ?? ''

const use = (client: ClientName, behind: Partial<UsedGateway> = {}, force = false) => {
  const gateway = { url: URL_A, upstream: undefined, isRunning: 'upstream' in behind, ...behind }
  return useRegistry(deps, client, { gateway, force })
}
const refusal = (where: string) => ({
  code: 'INVALID_OPTIONS',
  message: expect.stringContaining(where),
  hint: expect.stringContaining('--force'),
})

/** Where each client can have a registry from, for its user. */
const PLACES: readonly [
  client: ClientName,
  context: string,
  write: (registry: string) => string,
][] = [
  ['npm', '~/.npmrc', (url) => put(fileOf('npm', 0), `registry=${url}\n`)],
  ['npm', "npm's global npmrc", (url) => global(url)],
  ['pnpm', '~/.npmrc', (url) => put(fileOf('pnpm', 0), `registry=${url}\n`)],
  ['pnpm', 'auth.ini', (url) => put(fileOf('pnpm', 1), `registry=${url}\n`)],
  ['pnpm', 'config.yaml', (url) => put(fileOf('pnpm', 2), `registries:\n  default: ${url}\n`)],
  ['pnpm', "npm's global npmrc", (url) => global(url)],
  ['yarn', '.yarnrc.yml', (url) => put(fileOf('yarn', 0), `npmRegistryServer: "${url}"\n`)],
  ['yarn', '.yarnrc', (url) => put(fileOf('yarn', 1), `registry "${url}"\n`)],
  ['yarn', '~/.npmrc', (url) => put(fileOf('yarn', 2), `registry=${url}\n`)],
  ['bun', '.bunfig.toml', (url) => put(fileOf('bun', 0), `[install]\nregistry = "${url}"\n`)],
  ['bun', '~/.npmrc', (url) => (put(fileOf('npm', 0), `registry=${url}\n`), "npm's config")],
]

function put(path: string, text: string): string {
  write(path, text)
  return path
}

function global(url: string): string {
  write(join(home, 'global.npmrc'), `registry=${url}\n`)
  return "npm's configuration"
}

describe.each(PLACES)('%s with a registry in %s', (client, _, configure) => {
  test('does not lose it to a daemon that has another one behind it', async () => {
    const where = configure(COMPANY)
    for (const upstream of [OTHER, DEFAULT_REGISTRY, 'https://npm.company.example/']) {
      await expect(use(client, { upstream })).rejects.toMatchObject(refusal(where))
    }
    await expect(use(client, { upstream: OTHER })).rejects.toThrow(/npm\.company.*npm\.other/)
    expect(await unuseClients(deps, undefined)).toEqual([])
  })

  test('goes to a daemon that has the same one, however spelled', async () => {
    configure(COMPANY)
    const upstream = 'http://NPM.company.example/repo'
    const { files, replacement } = await use(client, { upstream })
    expect(files.map(({ action }) => action)).toContain('written')
    expect(replacement).toEqual({ upstream, lost: undefined })
  })

  test('is asked by a daemon that starts later, too', async () => {
    configure(COMPANY)
    const { replacement } = await use(client)
    expect(replacement?.upstream).toBe(COMPANY)
    const npm = readRegistry(fileOf('npm', 0)) ?? readRegistry(join(home, 'global.npmrc'))
    // What chooseMain of upstream/registries.ts makes of the two.
    const isFound = npm === undefined || npm === URL_A
    expect(isFound ? await upstreamBeforeUse(deps) : npm).toBe(COMPANY)
  })

  test('loses it when told so, and gets it back', async () => {
    configure(COMPANY)
    const { replacement } = await use(client, { upstream: OTHER }, true)
    expect(replacement).toMatchObject({ upstream: OTHER, lost: { registry: COMPANY } })
    // Nothing changes any more, so there is nothing to refuse.
    expect((await use(client, { upstream: OTHER })).files.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['unchanged']),
    )
    await unuseClients(deps, undefined)
    await expect(use(client, { upstream: OTHER })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })
  })

  test.each([DEFAULT_REGISTRY, DEFAULT_REGISTRY.slice(0, -1), YARN_ALIAS])(
    'goes to any daemon from the public one: %s',
    async (registry) => {
      configure(registry)
      expect((await use(client, { upstream: OTHER })).replacement?.lost).toBeUndefined()
    },
  )

  test('moves with the gateway to another port, if that has the same behind it', async () => {
    configure(COMPANY)
    await use(client, { upstream: COMPANY })
    const moved = 'http://127.0.0.1:5000/'
    await use(client, { url: moved, upstream: COMPANY })
    await unuseClients(deps, undefined)
    await use(client, { upstream: COMPANY })
    await expect(use(client, { url: moved, upstream: OTHER })).rejects.toThrow('npm.company')
  })
})

function readRegistry(path: string): string | undefined {
  try {
    return /^registry=(.*)$/m.exec(readFileSync(path, 'utf8'))?.[1]
  } catch {
    return undefined // there is no such file
  }
}

describe('without a daemon', () => {
  test('two clients with two registries are not put behind one', async () => {
    write(fileOf('npm', 0), `registry=${OTHER}\n`)
    write(fileOf('bun', 0), `[install]\nregistry = "${COMPANY}"\n`)
    await expect(use('bun')).rejects.toThrow('a daemon started with the present settings')
    await use('npm')
    await expect(use('bun')).rejects.toThrow('npm.company')
    expect(await upstreamBeforeUse(deps)).toBe(OTHER)
  })

  test('nor two versions of one client', async () => {
    write(fileOf('yarn', 0), `npmRegistryServer: ${COMPANY}\n`)
    write(fileOf('yarn', 1), `registry "${OTHER}"\n`)
    await expect(use('yarn')).rejects.toThrow(fileOf('yarn', 1))
  })

  test('a client with none goes along, and what npm has stays behind the gateway', async () => {
    write(join(home, 'global.npmrc'), `registry=${OTHER}\n`)
    expect((await use('yarn')).replacement).toEqual({ upstream: OTHER, lost: undefined })
    await use('npm')
    expect(await upstreamBeforeUse(deps)).toBe(OTHER)
  })

  test('with nothing configured it is the public one', async () => {
    expect((await use('npm')).replacement).toEqual({ upstream: DEFAULT_REGISTRY, lost: undefined })
    expect(await upstreamBeforeUse(deps)).toBeUndefined()
  })
})

test.each([
  ['${COMPANY}', true],
  ['${COMPANY-https://x.example/}', true],
  ['${NONE:-https://npm.company.example/repo}', true],
  ['${NONE}', false],
])('a registry from a variable, %s, is known: %s', async (registry, isKnown) => {
  deps = { ...deps, context: { ...deps.context, env: { ...deps.context.env, COMPANY } } }
  write(fileOf('yarn', 0), `npmRegistryServer: '${registry}'\n`)
  const using = use('yarn', { upstream: COMPANY })
  if (isKnown) expect((await using).replacement?.lost).toBeUndefined()
  else await expect(using).rejects.toMatchObject(refusal('.yarnrc.yml'))
})

test('the gateway itself is no registry to lose, nor is any with peers only', async () => {
  write(fileOf('npm', 0), 'registry=http://localhost:4874\n')
  expect((await use('npm', { upstream: OTHER })).replacement?.lost).toBeUndefined()
  write(fileOf('bun', 0), `[install]\nregistry = "${COMPANY}"\n`)
  expect((await use('bun', { upstream: null })).replacement).toEqual({
    upstream: null,
    lost: undefined,
  })
})

test("secrets in a registry's URL are compared, and not shown", async () => {
  const secret = 'https://npm.company.example/auth/glpat-abcdefghijklmnop1234/'
  write(fileOf('npm', 0), `registry=${secret}\n`)
  const refused = await use('npm', { upstream: OTHER }).catch((error: unknown) => error)
  expect(JSON.stringify(refused)).not.toContain('glpat')
  expect(refused).toMatchObject(refusal('npm.company.example/auth/***'))
  // A daemon that does not know us masks it, too.
  const upstream = 'https://npm.company.example/auth/***/'
  expect((await use('npm', { upstream })).replacement?.lost).toBeUndefined()
})
