/** From what a client answered and what lies in the project to its variables, or to the reason why it gets none. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseLockfile } from '../lockfiles/lockfile.ts'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { npmConfigFrom } from '../upstream/npmrc.ts'
import { readClientCommand } from './client-command.ts'
import { lockedRegistry } from './yarn/yarn-classic-mirror.ts'
import { namesInRegistry } from './names-in-registry.ts'
import { readRegistry, registryOf } from './own-registry.ts'
import type { PlanRequest } from './redirect.ts'
import { planRedirect } from './redirect-plan.ts'
import { directTo, withVariables } from './variables.ts'

const GATEWAY = 'http://127.0.0.1:4874/'
const UPSTREAM_VIEW = `${GATEWAY}-/catalog/as-upstream/`
const CORP = 'https://npm.corp.example/'

let root: string
let cwd: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-plan-'))
  cwd = join(root, 'project')
  write('project/package.json', '{}')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

function plan(command: string, more: Partial<PlanRequest> & { answers?: object } = {}) {
  const { answers = {}, ...request } = more
  return planRedirect({
    client: readClientCommand(command.split(' '), cwd),
    settings: new Map(Object.entries({ 'replace-registry-host': 'npmjs', ...answers })),
    ...{ npm: npmConfigFrom({}), upstream: undefined, peersOnly: false, plugins: undefined },
    ...{ registry: CORP, ...request },
  })
}

const variables = (...given: Parameters<typeof plan>) =>
  plan(...given).variables(GATEWAY, undefined)

describe('with the public registry', () => {
  const registry = DEFAULT_REGISTRY
  const named = npmConfigFrom({ registry })

  test.each([
    ['npm ci', { npm_config_registry: GATEWAY }],
    ['pnpm i', { npm_config_registry: GATEWAY, pnpm_config_registry: GATEWAY }],
    [
      'yarn-4.cjs',
      {
        ...{ YARN_NPM_REGISTRY_SERVER: 'http://127.0.0.1:4874' },
        YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1,old.example',
      },
    ],
    ['yarn-1.cjs', {}],
    ['bun i', { BUN_CONFIG_REGISTRY: GATEWAY }],
    ['deno install', { NPM_CONFIG_REGISTRY: GATEWAY }],
  ])('%s', (command, expected) => {
    const answers = { unsafeHttpWhitelist: ['old.example'] }
    expect(variables(command, { registry, npm: named, answers })).toEqual(expected)
  })

  test.each(['npm ci', 'npm run build', 'npx x', 'make'])(
    '%s: a file that every other wins over will do where none names a registry',
    (command) => {
      expect(plan(command, { registry })).toMatchObject({ isWeak: true, registry })
      expect(variables(command, { registry })).toEqual({})
    },
  )

  test.each(['npm run build', 'npx x', 'make'])('%s: but only there', (command) => {
    expect(() => plan(command, { registry, npm: named })).toThrow('its registry is named here')
    expect(() => plan(command)).toThrow('its registry is named here')
  })

  test('Yarn behind a proxy of its own is left alone', () => {
    const answers = { httpProxy: 'http://proxy.example' }
    expect(() => plan('yarn-4.cjs', { registry, answers })).toThrow('httpProxy')
  })

  test('Yarn’s name of it is one of its names', () => {
    const alias = DEFAULT_REGISTRY.replace(/[^./]+\.[^./]+\/$/, 'yarnpkg.com')
    expect(registryOf(new Map([['npmRegistryServer', alias]]), 'yarn-berry')).toBe(DEFAULT_REGISTRY)
    expect(() => registryOf(new Map([['registry', 'undefined']]), 'npm')).toThrow('does not say')
  })
})

describe('with a company’s registry', () => {
  const seen = {
    npm_config_registry: UPSTREAM_VIEW,
    npm_config_replace_registry_host: 'npm.corp.example',
  }
  const lock = (...urls: string[]): void => {
    const packages = urls.map((resolved) => ({ resolved }))
    write('project/package-lock.json', JSON.stringify({ packages }, null, 2))
  }

  test('npm sees it as it is, and replaces its host, never what is elsewhere', () => {
    expect(variables('npm ci')).toEqual(seen)
    lock(`${CORP}a/-/a-1.0.0.tgz`, 'https://code.example/b.tgz', 'git+ssh://git@code.example/x')
    expect(variables('npm ci')).toEqual(seen)
    expect(variables('npm ci', { answers: { 'replace-registry-host': 'always' } })).toEqual(seen)
    const never = { 'replace-registry-host': 'never' }
    expect(() => plan('npm ci', { answers: never })).toThrow('replace-registry-host')
  })

  test.each([
    [`${CORP}a/-/a-1.0.0.tgz`, seen],
    ['https://files.example/a.tgz', seen],
    [`${DEFAULT_REGISTRY}a/-/a-1.0.0.tgz`, { npm_config_registry: GATEWAY }],
  ])('of which the metadata names %s', (tarball, expected) => {
    expect(plan('npm ci').variables(GATEWAY, tarball)).toEqual(expected)
  })

  test.each([
    `${CORP}files/a.tgz`,
    `${CORP}npm/a.tgz?sig=x`,
    `${CORP}npm//a.tgz`,
    CORP.replace('example/', 'example:8443/npm/a.tgz'),
  ])('npm is left alone where the metadata names %s', (tarball) => {
    const { variables: named } = plan('npm ci', { registry: `${CORP}npm/` })
    expect(() => named(GATEWAY, tarball)).toThrow('unusual places')
  })

  test('a lockfile of public URLs needs nothing; one of both is left alone', () => {
    lock(`${DEFAULT_REGISTRY}b/-/b-1.0.0.tgz`)
    expect(variables('npm ci')).toEqual({ npm_config_registry: GATEWAY })
    lock(`${CORP}a/-/a-1.0.0.tgz`, `${DEFAULT_REGISTRY}b/-/b-1.0.0.tgz`)
    expect(() => plan('npm ci')).toThrow('names both')
  })

  test.each([`${CORP}x.tgz`, 'https://npm.corp.example:8443/x.tgz'])(
    'npm is left alone with %s, which is on its host and not in the registry',
    (url) => {
      const registry = `${CORP}npm/`
      write('project/package.json', JSON.stringify({ dependencies: { x: url } }))
      expect(() => plan('npm ci', { registry })).toThrow('not in the registry there')
      write('project/package.json', '{}')
      lock(url)
      expect(() => plan('npm ci', { registry })).toThrow('not in the registry there')
    },
  )

  test('npm is left alone when a scope has a registry on the same host', () => {
    const answers = { '@acme:registry': `${CORP}acme/` }
    expect(() => plan('npm ci', { answers })).toThrow('a scope')
  })

  test('pnpm is left alone where it locks URLs', () => {
    expect(variables('pnpm i').pnpm_config_registry).toBe(GATEWAY)
    for (const name of ['lockfileIncludeTarballUrl', 'lockfile-include-tarball-url']) {
      expect(() => plan('pnpm i', { answers: { [name]: true } })).toThrow('URLs of tarballs')
    }
    write('project/pnpm-lock.yaml', `a: {integrity: x, tarball: ${CORP}a.tgz}`)
    expect(() => plan('pnpm i')).toThrow('pnpm-lock.yaml names tarballs')
  })

  test('Yarn stays with it, and is given the plugin that relays its requests', () => {
    const relayed = variables('yarn-4.cjs', { plugins: '/theirs.cjs', registry: CORP.slice(0, -1) })
    expect(relayed).not.toHaveProperty('YARN_NPM_REGISTRY_SERVER')
    expect(relayed.YARN_PLUGINS).toMatch(/^\/theirs\.cjs;.*\.cjs$/)
    // With no registry at all what Yarn asks must not go back to its own.
    const alone = variables('yarn-4.cjs', { peersOnly: true })
    expect(alone.YARN_NPM_REGISTRY_SERVER).toBe('http://127.0.0.1:4874')
  })

  test('another one that is named for the gateway is for who has none', () => {
    const upstream = 'https://mirror.example/'
    expect(() => plan('npm ci', { upstream })).toThrow(`its registry is ${CORP}`)
    expect(plan('npm ci', { upstream: CORP.slice(0, -1) }).registry).toBe(CORP.slice(0, -1))
    expect(plan('npm ci', { upstream, registry: DEFAULT_REGISTRY }).registry).toBe(upstream)
  })

  test.each([
    ['pnpm i', 'postinstall', 'cd sub && npm ci', true],
    ['pnpm i', 'prepare', 'npm install --no-save x', true],
    ['npm ci', 'postinstall', 'npm --prefix sub ci', true],
    ['pnpm i', 'prepare', 'pnpm run build', false],
    ['npm ci', 'prepare', 'cd sub && tsc', false],
    ['npm ci', 'build', 'cd sub && npm ci', false],
  ])('%s with the script %s: %s', (command, name, script, isLeft) => {
    write('project/package.json', JSON.stringify({ scripts: { [name]: script } }))
    const planning = (): unknown => plan(command)
    if (isLeft) expect(planning).toThrow('a script in package.json')
    else expect(planning).not.toThrow()
  })
})

describe('Bun and Deno, which can’t be asked', () => {
  const read = (command: string, env: Record<string, string> = {}) =>
    readRegistry(readClientCommand(command.split(' '), cwd), {
      ...{ env, cwd, startedIn: cwd, home: join(root, 'home'), platform: 'linux' },
      ...{ execPath: join(root, 'bin', 'node'), signal: AbortSignal.timeout(10_000) },
    })

  test.each([
    ['bun i', 'project/bunfig.toml', '[install]\nregistry = "https://x.example"\n'],
    ['bun i', 'home/.bunfig.toml', '[install.scopes]\nacme = "https://x.example"\n'],
    ['bun i', 'home/.npmrc', '//x.example/:_authToken=x\n'],
    ['deno install', '.npmrc', '@acme:registry=https://x.example/\n'],
  ])('%s is left alone with %s', async (command, path, text) => {
    expect(await read(command)).toMatchObject({ registry: DEFAULT_REGISTRY })
    write(path, '# registry = "none"\nfund=false\n')
    expect(await read(command)).toMatchObject({ registry: DEFAULT_REGISTRY })
    write(path, text)
    await expect(read(command)).rejects.toThrow('names a registry or credentials')
  })

  test.each(['BUN_CONFIG_REGISTRY', 'NPM_CONFIG_REGISTRY', 'npm_config_userconfig'])(
    'they are left alone with the variable %s',
    async (name) => {
      await expect(read('bun i', { [name]: 'https://x.example/' })).rejects.toThrow(name)
    },
  )
})

describe('Yarn 1, which asks what yarn.lock names', () => {
  const context = () => ({
    ...{ env: {}, cwd, home: join(root, 'home'), platform: 'linux' as const },
    execPath: join(root, 'bin', 'node'),
  })
  const entry = (name: string, base: string): string =>
    `${name}@^1.0.0:\n  version "1.0.0"\n  resolved "${base}${name}/-/${name}-1.0.0.tgz#00"\n`

  test('most of it, at its usual places', () => {
    expect(() => lockedRegistry(context())).toThrow('there is no yarn.lock')
    const entries = [entry('a', CORP), entry('b', CORP), entry('c', 'https://x.example/')]
    write('project/yarn.lock', ['# yarn lockfile v1', ...entries].join('\n\n'))
    expect(lockedRegistry(context())).toBe(CORP)
    write('home/.yarnrc', 'yarn-offline-mirror "./mirror"\n')
    expect(() => lockedRegistry(context())).toThrow('mirror already')
  })
})

describe('which names the registry is asked for beforehand', () => {
  test('those that are locked there, and none that may be another’s', () => {
    const packages = {
      '': { name: 'p' },
      'node_modules/a': { version: '1.0.0', resolved: `${CORP}a/-/a-1.0.0.tgz` },
      'node_modules/b': { version: '1.0.0', resolved: 'https://x.example/b/-/b-1.0.0.tgz' },
      'node_modules/@s/c': { version: '1.0.0', resolved: `${CORP}@s/c/-/c-1.0.0.tgz` },
      'node_modules/inner': { resolved: 'inner', link: true },
    }
    write('project/package-lock.json', JSON.stringify({ lockfileVersion: 3, packages }))
    expect(namesInRegistry(CORP, 'npm', cwd)).toEqual(['a'])
  })

  const HASH = '{integrity: sha512-AA==}'
  const KEPT = fileURLToPath(new URL('../lockfiles/fixtures/', import.meta.url))

  test.each([
    ['pnpm', 'pnpm-v6/pnpm-lock.yaml'],
    ['pnpm', 'pnpm-v9/pnpm-lock.yaml'],
    ['yarn-berry', 'yarn-berry/yarn.lock'],
  ] as const)('the first few that %s has locked, in %s', (family, file) => {
    const text = readFileSync(join(KEPT, file), 'utf8')
    write(`project/${basename(file)}`, text)
    const isAnyones = ({ name, url }: { name: string; url?: string | undefined }): boolean =>
      !name.startsWith('@') && url === undefined
    const all = parseLockfile(file, text).packages.filter(isAnyones)
    const named = namesInRegistry(CORP, family, cwd)
    expect(named).not.toEqual([])
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(named))
  })

  test.each([
    [
      'pnpm',
      'pnpm-lock.yaml',
      (version: string) => `  secret@${version}:\n    resolution: ${HASH}`,
    ],
    ['yarn-berry', 'yarn.lock', (version: string) => `  resolution: "secret@npm:${version}"`],
  ] as const)(
    '%s may have locked others elsewhere, with no word of where',
    (family, file, entry) => {
      const others = ['work:1.0.0', 'runtime:22.0.0', 'file:../secret', 'latest', '@corp/x@1.0.0']
      const plain = entry('1.0.0-rc.1').replace('secret', 'fx-one')
      write(`project/${file}`, [...others.map(entry), plain, ''].join('\n'))
      expect(namesInRegistry(CORP, family, cwd)).toEqual(['fx-one'])
    },
  )

  test('a lockfile without such entries is read whole', () => {
    const elsewhere = `{integrity: sha512-AA==, tarball: https://x.example/a.tgz}`
    const here = `{tarball: ${CORP}b/-/b-1.0.0.tgz, integrity: sha512-AA==}`
    const entries = [
      `  a@1.0.0:\n    resolution: ${elsewhere}`,
      `  b@1.0.0:\n    resolution: ${here}`,
    ]
    const text = ["lockfileVersion: '9.0'", 'packages:', ...entries, ''].join('\n')
    write('project/pnpm-lock.yaml', text)
    expect(namesInRegistry(CORP, 'pnpm', cwd)).toEqual(['b'])
  })

  test('without a lockfile those that the project wants, but in a workspace', () => {
    const dependencies = { a: '^1.0.0', '@s/b': '^1.0.0', c: 'file:../c', d: 'latest' }
    write('project/package.json', JSON.stringify({ dependencies }))
    expect(namesInRegistry(CORP, 'npm', cwd)).toEqual(['a', 'd'])
    write('project/package.json', JSON.stringify({ dependencies, workspaces: ['x'] }))
    expect(namesInRegistry(CORP, 'npm', cwd)).toEqual([])
  })
})

test.each([
  ['*', '*'],
  [' * ', '*'],
  ['*,a.example', '*,a.example,127.0.0.1'],
  ['a.example, b.example', 'a.example,b.example,127.0.0.1'],
])('a proxy is not asked for us: NO_PROXY=%s', (before, after) => {
  expect(directTo(GATEWAY, { NO_PROXY: before }, undefined).NO_PROXY).toBe(after)
})

test('variables replace those of the same name in other letters', () => {
  const env = withVariables(
    { NPM_CONFIG_REGISTRY: 'x', A: '1', B: undefined },
    { npm_config_registry: 'y' },
  )
  expect(env).toEqual({ npm_config_registry: 'y', A: '1' })
})
