/** From a command, a project and a user's files to the registry behind the gateway and the variables of each client. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import type { DaemonClient } from '../../admin/daemon-client.ts'
import { planRouting, type Routing } from './client-environment.ts'
import { withVariables } from './client-variables.ts'
import { accountCommand, familyOf } from './client-family.ts'
import { commandPlace } from './command-place.ts'
import type { ExecPlace } from './client-registry.ts'
import { innerWork } from './inner-clients.ts'
import { behindNobody, type Behind } from './registry-behind.ts'

const GATEWAY = 'http://127.0.0.1:4874/'
const AS_UPSTREAM = `${GATEWAY}-/catalog/as-upstream/`
const CORP = 'https://npm.corp.example/'

/** What is behind registries that are gateways. */
let standing: Map<string, Behind>
let root: string
let cwd: string
beforeEach(() => {
  standing = new Map()
  root = mkdtempSync(join(tmpdir(), 'catalog-routing-'))
  cwd = join(root, 'project')
  write('project/package.json', '{}')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

function plan(
  command: string,
  more: { env?: Record<string, string>; upstream?: string; peersOnly?: boolean } = {},
): Routing {
  const { env = {}, upstream, peersOnly = false } = more
  const home = join(root, 'home')
  const given: ExecPlace = {
    env,
    cwd,
    home,
    platform: 'linux',
    execPath: join(root, 'bin', 'node'),
  }
  const words = command.split(' ')
  const { family, place } = commandPlace(words, given)
  const behind = (url: string): Behind => standing.get(url) ?? { kind: 'registry', url }
  const inside = innerWork(words, family, place.cwd)
  return planRouting(place, { command: words, family, upstream, behind, peersOnly, inside })
}

const variables = (routing: Routing) => routing.variables(GATEWAY)
const reasonFor = (routing: Routing, name: string) =>
  routing.left.find(({ family }) => family === name)?.reason

describe('which client a command is', () => {
  test.each([
    ['npm ci', 'npm'],
    ['/usr/bin/npx eslint', 'npm'],
    ['C:\\nodejs\\npm.cmd ci', 'npm'],
    ['node /opt/npm/bin/npm-cli.js ci', 'npm'],
    ['pnpm.exe install', 'pnpm'],
    ['corepack pnpm@9 install', 'pnpm'],
    ['corepack yarn@4 install', 'yarn-berry'],
    ['node .yarn/releases/yarn-4.9.1.cjs', 'yarn-berry'],
    ['yarn-1.22.22.js install', 'yarn-classic'],
    ['yarn install', 'yarn-classic'],
    ['bunx x', 'bun'],
    ['deno install', 'deno'],
    ['make', undefined],
    ['node', undefined],
  ])('%s: %s', (command, family) => {
    expect(familyOf(command.split(' '), cwd)).toBe(family)
  })

  test.each([
    ['yarn.lock', '__metadata:\n  version: 8\n', 'yarn-berry'],
    ['yarn.lock', '# yarn lockfile v1\n', 'yarn-classic'],
    ['.yarnrc.yml', '', 'yarn-berry'],
    ['package.json', '{"packageManager":"yarn@4.1.0"}', 'yarn-berry'],
    ['package.json', '{"packageManager":"yarn@1.22.22"}', 'yarn-classic'],
  ])('yarn with %s', (file, text, family) => {
    write(`project/${file}`, text)
    mkdirSync(join(cwd, 'inner'))
    expect(familyOf(['yarn'], join(cwd, 'inner'))).toBe(family)
  })
})

test.each([
  ['npm publish --access public', 'publish'],
  ['node /opt/npm-cli.js whoami', 'whoami'],
  ['yarn npm publish', 'publish'],
  ['npm -w packages/a publish', 'publish'],
  ['npm --workspace=packages/a publish', 'publish'],
  ['npm --tag next publish', 'publish'],
  ['npm --silent publish', 'publish'],
  ['pnpm --filter a publish', 'publish'],
  ['pnpm -r --filter=./x publish', 'publish'],
  ['pnpm -C x publish', 'publish'],
  ['corepack pnpm@10 -C x publish', 'publish'],
  ['yarn --cwd x npm publish', 'publish'],
  ['yarn workspace a npm publish', 'publish'],
  ['yarn workspaces foreach -A npm publish', 'publish'],
  ['yarn workspaces foreach -A --include x npm publish', 'publish'],
  ['yarn workspace publish run build', undefined],
  ['yarn workspaces foreach -A run publish', undefined],
  ['npm -w publish ci', undefined],
  ['npm', undefined],
  ['npm ci', undefined],
  ['npm install --save publish', undefined],
  ['npm run build -- publish', undefined],
])('%s: %s needs an account', (command, word) => {
  expect(accountCommand(command.split(' '))).toBe(word)
})

describe('with the public registry', () => {
  test('all that the project names are routed, each by its own variables', () => {
    for (const lock of ['package-lock.json', 'pnpm-lock.yaml', 'bun.lock', 'deno.lock']) {
      write(`project/${lock}`, '')
    }
    write('project/yarn.lock', '__metadata:\n')
    const routing = plan('npm ci')
    expect(routing).toMatchObject({ upstream: DEFAULT_REGISTRY, left: [] })
    expect(variables(routing)).toEqual({
      ...{ npm_config_registry: GATEWAY, NPM_CONFIG_REGISTRY: GATEWAY },
      ...{ pnpm_config_registry: GATEWAY, BUN_CONFIG_REGISTRY: GATEWAY },
      YARN_NPM_REGISTRY_SERVER: 'http://127.0.0.1:4874',
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      ...{ NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
    })
  })

  test('a proxy is not asked for us, and hosts without TLS stay allowed', () => {
    write('project/.npmrc', 'noproxy=.corp.example\n')
    write('project/.yarnrc.yml', 'unsafeHttpWhitelist: [old.corp.example]\n')
    expect(variables(plan('make', { env: { NO_PROXY: 'a.example, b.example' } }))).toMatchObject({
      NO_PROXY: 'a.example,b.example,127.0.0.1',
      no_proxy: 'a.example,b.example,127.0.0.1',
      npm_config_noproxy: '.corp.example,127.0.0.1',
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1,old.corp.example',
    })
  })

  test('what would put us into a new lockfile is left alone', () => {
    const routing = plan('make')
    expect(reasonFor(routing, 'yarn-classic')).toContain('yarn.lock')
    write('project/yarn.lock', '# yarn lockfile v1\n')
    expect(reasonFor(plan('make'), 'yarn-classic')).toBeUndefined()
    write('home/.yarnrc', 'yarn-offline-mirror "./mirror"\n')
    expect(reasonFor(plan('make'), 'yarn-classic')).toContain('mirror already')
    expect(routing.routed).toEqual(['npm', 'pnpm', 'yarn-berry', 'bun', 'deno'])
  })

  test('scopes with a registry of their own change nothing', () => {
    write('home/.npmrc', '@acme:registry=https://acme.example/\n')
    expect(variables(plan('npm ci')).npm_config_registry).toBe(GATEWAY)
  })
})

describe('with a company’s registry', () => {
  beforeEach(() => write('project/.npmrc', `registry=${CORP}\n`))
  const lock = (...urls: string[]): void => {
    const packages = urls.map((resolved) => ({ resolved }))
    write('project/package-lock.json', JSON.stringify({ packages }, null, 2))
  }

  test('it is behind the gateway, found from inside the project', () => {
    mkdirSync(join(cwd, 'inner'))
    cwd = join(cwd, 'inner')
    expect(plan('npm ci').upstream).toBe(CORP)
  })

  const seen = {
    npm_config_registry: AS_UPSTREAM,
    npm_config_replace_registry_host: 'npm.corp.example',
  }

  test('npm sees it as it is, and replaces its host, never what is elsewhere', () => {
    expect(variables(plan('npm ci'))).toMatchObject(seen)
    lock(`${CORP}a/-/a-1.0.0.tgz`)
    expect(variables(plan('npm ci'))).toMatchObject(seen)
    lock(`${CORP}a/-/a-1.0.0.tgz`, 'https://code.example/b.tgz', 'git+ssh://git@code.example/x')
    expect(variables(plan('npm ci'))).toMatchObject(seen)
    write('home/.npmrc', 'replace-registry-host=always\n')
    expect(variables(plan('npm ci'))).toMatchObject(seen)
  })

  test('of which the metadata names public tarballs npm needs nothing', () => {
    const given = plan('npm ci').variables(GATEWAY, true)
    expect(given.npm_config_registry).toBe(GATEWAY)
    expect(given).not.toHaveProperty('npm_config_replace_registry_host')
  })

  test('another one that is named for the gateway leaves npm alone', () => {
    const routing = plan('npm ci', { upstream: 'https://mirror.example/' })
    expect(reasonFor(routing, 'npm')).toBe(`its registry is ${CORP}`)
  })

  test('a lockfile of public URLs needs nothing', () => {
    write('home/.npmrc', '@acme:registry=https://acme.example/\n')
    lock(`${DEFAULT_REGISTRY}b/-/b-1.0.0.tgz`)
    const given = variables(plan('npm ci'))
    expect(given.npm_config_registry).toBe(GATEWAY)
    expect(given).not.toHaveProperty('npm_config_replace_registry_host')
  })

  test('npm is left alone with both registries in the lockfile', () => {
    lock(`${CORP}a/-/a-1.0.0.tgz`, `${DEFAULT_REGISTRY}b/-/b-1.0.0.tgz`)
    expect(reasonFor(plan('npm ci'), 'npm')).toContain('names both')
  })

  test.each(['https://npm.corp.example:8443/x.tgz', 'https://npm.corp.example/files/x.tgz'])(
    'npm is left alone with %s, which is on its host and none of the registry',
    (url) => {
      write('project/.npmrc', `registry=${CORP}npm/\n`)
      expect(reasonFor(plan('npm ci'), 'npm')).toBeUndefined()
      write('project/package.json', JSON.stringify({ dependencies: { x: url } }))
      expect(reasonFor(plan('npm ci'), 'npm')).toContain('not in the registry there')
      expect(reasonFor(plan('deno install'), 'deno')).toContain('not in the registry there')
      write('project/package.json', '{}')
      lock(url)
      expect(reasonFor(plan('npm ci'), 'npm')).toContain('not in the registry there')
    },
  )

  test('npm is left alone when a scope has a registry on the same host', () => {
    write('home/.npmrc', `@acme:registry=${CORP}acme/\n`)
    lock(`${CORP}a/-/a-1.0.0.tgz`)
    expect(reasonFor(plan('npm ci'), 'npm')).toContain('a scope')
  })

  test('its user and password are for the gateway, not for reports', () => {
    write('project/.npmrc', 'registry=https://me:hush@npm.corp.example\n')
    const routing = plan('npm ci')
    expect(routing.upstream).toBe(CORP)
    expect(routing.upstreamAsConfigured).toContain('hush')
    expect(JSON.stringify(variables(routing))).not.toContain('hush')
  })

  test.each([
    ['pnpm', 'pnpm-lock.yaml', `resolution: {integrity: x, tarball: ${CORP}a.tgz}`],
    ['bun', 'bun.lock', `"a": ["a@1.0.0", "${CORP}a/-/a-1.0.0.tgz"]`],
  ])('%s is left alone when %s names its tarballs', (family, file, text) => {
    write(`project/${file}`, text)
    expect(reasonFor(plan('make'), family)).toContain(file)
  })

  test('Yarn, which does not read npm’s file, goes where it went', () => {
    expect(reasonFor(plan('npm ci'), 'yarn-berry')).toContain(DEFAULT_REGISTRY)
    expect(variables(plan('npm ci'))).not.toHaveProperty('YARN_NPM_REGISTRY_SERVER')
  })

  test('pnpm 10 and Yarn 1 read npm’s variable, and need another one than npm, or none', () => {
    write('project/yarn.lock', '# yarn lockfile v1\n')
    expect(variables(plan('pnpm i')).npm_config_registry).toBe(GATEWAY)
    expect(variables(plan('yarn'))).not.toHaveProperty('npm_config_registry')
    expect(variables(plan('pnpm i'))).not.toHaveProperty('NPM_CONFIG_REGISTRY')
  })

  test('Deno sees it as it is and replaces its host, as npm does', () => {
    const capitals = {
      NPM_CONFIG_REGISTRY: AS_UPSTREAM,
      npm_config_replace_registry_host: 'npm.corp.example',
    }
    expect(variables(plan('deno install'))).toMatchObject(capitals)
    expect(variables(plan('deno install'))).not.toHaveProperty('npm_config_registry')
    expect(variables(plan('npm ci'))).not.toHaveProperty('NPM_CONFIG_REGISTRY')
    write('project/deno.lock', '{}')
    expect(variables(plan('npm ci'))).toMatchObject({ ...capitals, ...seen })
    write('project/deno.lock', '{"npm":{"a@1.0.0":{"tarball": "https://code.example/a.tgz"}}}')
    expect(variables(plan('deno install'))).toMatchObject(capitals)
    write('home/.npmrc', `@acme:registry=${CORP}acme/\n`)
    expect(reasonFor(plan('deno install'), 'deno')).toContain('a scope')
  })

  test('who is left alone is told what to do about it, where something can be done', () => {
    const next = (routing: Routing, name: string) =>
      routing.left.find(({ family }) => family === name)?.next
    expect(next(plan('bun i'), 'bun')).toContain('catalog use bun')
    expect(next(plan('yarn'), 'yarn-classic')).toContain('commit the yarn.lock')
    write('home/.npmrc', `@acme:registry=${CORP}acme/\n`)
    expect(next(plan('deno install'), 'deno')).toBeUndefined()
  })
})

describe('a command that is no package manager', () => {
  const given = (command: string) => variables(plan(command)).npm_config_registry
  const lockOf: Record<string, [file: string, text: string]> = {
    npm: ['package-lock.json', '{}'],
    pnpm: ['pnpm-lock.yaml', ''],
    'yarn-classic': ['yarn.lock', '# yarn lockfile v1\n'],
    'yarn-berry': ['yarn.lock', '__metadata:\n'],
    bun: ['bun.lock', ''],
  }

  test.each([
    ['make', ['npm'], GATEWAY, AS_UPSTREAM],
    ['make', ['pnpm'], GATEWAY, GATEWAY],
    ['make', ['npm', 'pnpm'], GATEWAY, undefined],
    ['make', ['npm', 'yarn-classic'], undefined, undefined],
    ['make', ['npm', 'yarn-berry'], GATEWAY, AS_UPSTREAM],
    ['make', ['bun'], undefined, undefined],
    ['make', [], undefined, undefined],
    ['sh -c npm ci&&npm test', [], GATEWAY, AS_UPSTREAM],
    ['sh -c "node /opt/pnpm.cjs install"', [], GATEWAY, GATEWAY],
    ['sh -c (yarn install)', ['npm'], undefined, undefined],
    ['sh -c npm ci; yarn build', [], undefined, undefined],
    ['env X=1 pnpm i', [], GATEWAY, GATEWAY],
  ])('%s with the lockfile of %j', (command, lockfiles, atPublic, atCompany) => {
    for (const name of lockfiles) {
      const [file = '', text = ''] = lockOf[name] ?? []
      write(`project/${file}`, text)
    }
    expect(given(command)).toBe(atPublic)
    expect(plan(command).note === undefined).toBe(atPublic !== undefined)
    write('project/.npmrc', `registry=${CORP}\n`)
    expect(given(command)).toBe(atCompany)
    expect(plan(command).note === undefined).toBe(atCompany !== undefined)
    if (atCompany === undefined) {
      expect(variables(plan(command))).not.toHaveProperty('NPM_CONFIG_REGISTRY')
    }
  })

  test('what package.json says counts, too', () => {
    write('project/package.json', '{"packageManager":"yarn@1.22.22"}')
    expect(given('sh -c npm ci')).toBeUndefined()
    write('project/package.json', '{"packageManager":"npm@11.1.0"}')
    expect(given('make')).toBe(GATEWAY)
  })
})

test.each([
  ['*', '*'],
  [' * ', '*'],
  ['*,a.example', '*,a.example,127.0.0.1'],
])('NO_PROXY=%s', (before, after) => {
  expect(variables(plan('npm ci', { env: { NO_PROXY: before } })).NO_PROXY).toBe(after)
})

describe('with registries in other files', () => {
  test('Yarn stays with its own registry, and is given the plugin that relays its requests', () => {
    write('project/.yarnrc.yml', 'npmRegistryServer: "https://npm.corp.example/api"\n')
    const given = (more: Parameters<typeof plan>[1] = {}) => variables(plan('yarn', more))
    const relayed = given({ env: { YARN_PLUGINS: '/theirs.cjs' } })
    expect(relayed).not.toHaveProperty('YARN_NPM_REGISTRY_SERVER')
    expect(relayed.YARN_PLUGINS).toMatch(/^\/theirs\.cjs;.*yarn-relay\.cjs$/)
    expect(JSON.parse(relayed.CATALOG_EXEC_YARN ?? '')).toEqual({
      ...{ gateway: AS_UPSTREAM, registry: 'https://npm.corp.example/api/' },
    })
    // With no registry at all, or another one, what Yarn asks must not go back to its own.
    for (const more of [{ peersOnly: true }, { upstream: 'https://mirror.example/' }]) {
      expect(given(more)).not.toHaveProperty('YARN_PLUGINS')
      expect(given(more).YARN_NPM_REGISTRY_SERVER).toBe('http://127.0.0.1:4874')
    }
  })

  test('Yarn: the nearest .yarnrc.yml, its variables, and credentials tied to it', () => {
    write('home/.yarnrc.yml', 'npmRegistryServer: "https://home.example"\n')
    const text = [
      'npmRegistryServer: "${REGISTRY:-https://npm.corp.example}"',
      'npmRegistries:',
      '  "//npm.corp.example": { npmAuthToken: "${TOKEN}" }',
      '  "https://old.example": { npmAuthIdent: "me:hush" }',
    ]
    write('project/.yarnrc.yml', `${text.join('\n')}\n`)
    const routing = plan('yarn install', { env: { TOKEN: 'abc' } })
    expect(routing.upstream).toBe(CORP)
    expect(routing.credentials).toEqual({
      '//npm.corp.example/:_authToken': 'abc',
      '//old.example/:_auth': Buffer.from('me:hush').toString('base64'),
    })
    expect(reasonFor(routing, 'npm')).toContain(DEFAULT_REGISTRY)
  })

  test('Yarn behind a proxy of its own is left alone', () => {
    write('project/.yarnrc.yml', 'httpProxy: http://proxy.example\n')
    expect(reasonFor(plan('yarn'), 'yarn-berry')).toContain('httpProxy')
  })

  test('pnpm: the workspace, then the user’s config.yaml, with tokens of auth.ini', () => {
    write('home/.config/pnpm/config.yaml', `registry: ${CORP}\n`)
    write('home/.config/pnpm/auth.ini', '//npm.corp.example/:_authToken=abc\n')
    expect(plan('pnpm i')).toMatchObject({
      upstream: CORP,
      credentials: { '//npm.corp.example/:_authToken': 'abc' },
    })
    write('project/pnpm-workspace.yaml', 'registries: { default: "https://near.example/" }\n')
    expect(plan('pnpm i').upstream).toBe('https://near.example/')
  })

  test('Bun: bunfig.toml, unless it holds what only Bun can send', () => {
    write('project/bunfig.toml', `[install]\nregistry = "${CORP}"\n`)
    write('project/bun.lock', '')
    expect(plan('bun i')).toMatchObject({ upstream: CORP })
    expect(reasonFor(plan('bun i'), 'bun')).toBeUndefined()
    write('project/bunfig.toml', `[install]\nregistry = { url = "${CORP}", token = "x" }\n`)
    expect(reasonFor(plan('bun i'), 'bun')).toContain('credentials')
  })

  test('variables win over files', () => {
    write('project/.npmrc', `registry=${CORP}\n`)
    const upstreams = [
      plan('npm ci', { env: { NPM_CONFIG_REGISTRY: 'https://env.example/' } }),
      plan('pnpm i', { env: { PNPM_CONFIG_REGISTRY: 'https://env.example/' } }),
      plan('yarn-4.cjs', { env: { YARN_NPM_REGISTRY_SERVER: 'https://env.example' } }),
    ].map(({ upstream }) => upstream)
    expect(new Set(upstreams)).toEqual(new Set(['https://env.example/']))
  })
})

describe('in a project inside of another one', () => {
  const [ROOT, HOME] = ['https://root.example/', 'https://home.example/']
  const inside = (path: string): void => {
    write(`project/${path}/package.json`, '{}')
    cwd = join(cwd, path)
  }
  beforeEach(() => {
    write('project/.npmrc', `registry=${ROOT}\n`)
    write('home/.npmrc', `registry=${HOME}\n`)
  })

  test.each([
    [['packages/*'], 'packages/a', ROOT],
    [['./packages/*/'], 'packages/a', ROOT],
    [['packages/**'], 'packages/a/b', ROOT],
    [['packages/*'], 'packages/a/b', HOME],
    [['packages/*'], 'examples/app', HOME],
    [['packages/*', '!packages/a'], 'packages/a', HOME],
    [['!packages/a', 'packages/*'], 'packages/a', HOME],
    [['packages/*', '!packages/a', 'packages/a'], 'packages/a', ROOT],
    [['**'], 'packages/node_modules/x', HOME],
    [{ packages: ['apps/*'] }, 'apps/web', ROOT],
    [{ packages: ['apps/*'] }, 'tools/web', HOME],
  ])('npm, workspaces %j: %s asks %s', (workspaces, path, registry) => {
    write('project/package.json', JSON.stringify({ workspaces }))
    inside(path)
    expect(plan('npm ci').upstream).toBe(registry)
  })

  test('pnpm’s workspace is none of npm’s, nor npm’s of pnpm’s', () => {
    write('project/pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
    inside('packages/a')
    expect(plan('npm ci').upstream).toBe(HOME)
    expect(plan('pnpm i').upstream).toBe(ROOT)
  })

  test('pnpm is left alone where its versions differ in what they ask', () => {
    write('project/pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
    write('project/examples/app/package.json', '{}')
    cwd = join(root, 'project', 'examples', 'app')
    const reason = `pnpm 10 would ask ${ROOT} here, pnpm 11 and newer ${HOME}`
    expect(reasonFor(plan('pnpm i'), 'pnpm')).toBe(reason)
    write('project/packages/a/.npmrc', 'registry=https://own.example/\n')
    cwd = join(root, 'project')
    inside('packages/a')
    expect(reasonFor(plan('pnpm i'), 'pnpm')).toContain('pnpm 10 would ask https://own.example/')
  })

  test('the lockfile that counts is the workspace’s for its members only', () => {
    write('project/package.json', '{"workspaces":["packages/*"]}')
    write('project/yarn.lock', '# yarn lockfile v1\n')
    inside('examples/app')
    expect(reasonFor(plan('yarn'), 'yarn-classic')).toContain('there is no yarn.lock')
    cwd = join(root, 'project')
    inside('packages/a')
    expect(reasonFor(plan('yarn'), 'yarn-classic')).toBeUndefined()
  })

  test('Yarn 1 reads the .npmrc of every folder above, but the user’s before', () => {
    inside('examples/app')
    expect(plan('yarn').upstream).toBe(HOME)
    write('home/.npmrc', '')
    expect(plan('yarn').upstream).toBe(ROOT)
    expect(plan('yarn', { env: { YARN_REGISTRY: 'https://env.example/' } }).upstream).toBe(
      'https://env.example/',
    )
  })
})

test('a registry that the user names for us stands in for whatever clients have', () => {
  const routing = plan('npm ci', { upstream: 'https://mirror.example/npm' })
  expect(routing.upstream).toBe('https://mirror.example/npm/')
  // Its lockfile is the public registry's, whatever the mirror shows.
  expect(variables(routing).npm_config_registry).toBe(GATEWAY)
  expect(routing.routed).toContain('npm')
})

test('variables replace those of the same name in any letters', () => {
  const env = { NPM_CONFIG_REGISTRY: 'x', npm_config_Registry: 'y', PATH: '/bin', GONE: undefined }
  expect(withVariables(env, { npm_config_registry: 'z' })).toEqual({
    PATH: '/bin',
    npm_config_registry: 'z',
  })
})

describe('a client that is configured with a gateway of ours', () => {
  const NPM = 'http://127.0.0.1:4874/'
  const catalog = (upstream: string | null): Behind => {
    const daemon = { url: NPM, info: undefined } as unknown as DaemonClient
    return { kind: 'catalog', catalog: { url: NPM, daemon, upstream } }
  }
  const company = { upstream: CORP }
  beforeEach(() => write('project/.npmrc', `registry=${NPM}\n`))

  test('stays with the catalog that runs there, whatever that asks', () => {
    for (const upstream of [CORP, DEFAULT_REGISTRY, null]) {
      standing.set(NPM, catalog(upstream))
      const routing = plan('npm ci')
      expect(routing.stays).toMatchObject({ url: NPM, upstream })
      expect([routing.routed, variables(routing)]).toEqual([[], {}])
    }
    // Made for it by a command around this one.
    const inside = `${NPM}-/catalog/as-upstream/`
    standing.set(inside, catalog(CORP))
    expect(plan('npm ci', { env: { npm_config_registry: inside } }).stays).toBeDefined()
    const relayed = JSON.stringify({ gateway: inside, registry: CORP })
    write('project/.yarnrc.yml', `npmRegistryServer: "${CORP}"\n`)
    expect(plan('yarn', { env: { CATALOG_EXEC_YARN: relayed } }).stays).toBeDefined()
    write('project/.yarnrc.yml', 'npmRegistryServer: "https://other.example"\n')
    expect(plan('yarn', { env: { CATALOG_EXEC_YARN: relayed } }).stays).toBeUndefined()
  })

  test('leaves it only for a registry that its user names', () => {
    standing.set(NPM, catalog(CORP))
    expect(plan('npm ci', company).stays).toBeDefined()
    const other = plan('pnpm i', { upstream: 'https://mirror.example/' })
    expect(other).toMatchObject({ upstream: 'https://mirror.example/' })
    expect(variables(other).pnpm_config_registry).toBe(GATEWAY)
    expect(plan('npm ci', { peersOnly: true })).toMatchObject({ upstream: CORP })
    expect(plan('npm ci', { peersOnly: true }).stays).toBeUndefined()
  })

  test('is left alone where none runs and nobody knows what it would ask', () => {
    standing.set(NPM, { kind: 'gone', url: NPM })
    const routing = plan('npm ci')
    expect(reasonFor(routing, 'npm')).toContain(`its registry is ${NPM}, where no catalog runs`)
    expect(JSON.stringify([routing.upstream, variables(routing)])).not.toContain(DEFAULT_REGISTRY)
    expect(plan('make').upstream).not.toBe(DEFAULT_REGISTRY)
    expect(variables(plan('make'))).not.toHaveProperty('YARN_NPM_REGISTRY_SERVER')
    expect(variables(plan('npm ci', company))).toMatchObject({
      npm_config_replace_registry_host: 'npm.corp.example',
    })
  })

  test('is not another’s business', () => {
    standing.set(NPM, catalog(CORP))
    write('project/.npmrc', '')
    write('project/.yarnrc.yml', `npmRegistryServer: "${NPM}"\n`)
    const routing = plan('npm ci')
    expect(routing.upstream).toBe(DEFAULT_REGISTRY)
    expect(reasonFor(routing, 'yarn-berry')).toBe(
      `its registry is ${NPM}, a catalog that runs already`,
    )
  })

  test.each([
    [4874, CORP, { kind: 'registry', url: CORP }],
    [4999, CORP, { kind: 'registry', url: CORP }],
    [4874, undefined, { kind: 'gone' }],
    [4999, undefined, { kind: 'gone' }],
    [48_740, CORP, { kind: 'gone' }],
    [48_743, undefined, { kind: 'gone' }],
    [4873, CORP, { kind: 'registry', url: 'http://localhost:4873/' }],
  ])('on port %i, of which %s was known, and no catalog answers', (port, before, expected) => {
    const url = `http://localhost:${port}/`
    expect(behindNobody(url, { port: 4999, before })).toMatchObject(expected)
  })
})

describe('a client that is told where to work', () => {
  const [SUB, USER] = ['https://sub.example/', 'https://user.example/']
  beforeEach(() => {
    write('home/.npmrc', `registry=${USER}\n`)
    write('project/.npmrc', `registry=${CORP}\n`)
    write('project/sub/package.json', '{}')
    write('project/sub/.npmrc', `registry=${SUB}\n`)
    write('project/sub/.yarnrc.yml', `npmRegistryServer: "${SUB}"\n`)
    write('project/packages/a/package.json', '{}')
  })

  test.each([
    ['npm --prefix sub install', SUB],
    ['npm install --prefix=sub', SUB],
    ['npm -C sub ci', SUB],
    ['npm -C=sub ci', SUB],
    ['npm --prefix sub --prefix . ci', CORP],
    ['node /opt/npm-cli.js -C sub ci', SUB],
    ['npm run build -- --prefix sub', CORP],
    ['npx --prefix sub x', SUB],
    ['npx x --prefix sub', CORP],
    ['npm --prefix packages ci', USER],
    ['npm ci --userconfig sub/.npmrc --prefix packages', SUB],
    ['npm ci --userconfig=sub/.npmrc -g', SUB],
    ['npm install -g x', USER],
    ['npm i --global x', USER],
    ['npm i --location=global x', USER],
    ['npm i --location global x', USER],
    ['npm i --location project x', CORP],
    ['npm i -fg x', USER],
    ['npm i -global x', USER],
    ['npm i --no-global x', CORP],
    ['npm exec -- x -g', CORP],
    ['pnpm -C sub i', SUB],
    ['pnpm --dir sub i', SUB],
    ['pnpm i --dir=sub', SUB],
    ['pnpm --filter run -C sub i', SUB],
    ['pnpm run -C sub build', SUB],
    ['pnpm run build -C sub', CORP],
    ['pnpm build -C sub', CORP],
    ['yarn --cwd sub install', SUB],
    ['yarn --cwd=sub', SUB],
    ['bun --cwd sub i', SUB],
    ['bun install --cwd=sub', SUB],
    ['bun run build --cwd=sub', CORP],
    ['bun add -g x', USER],
  ])('%s asks %s', (command, registry) => {
    expect(plan(command).upstream).toBe(registry)
  })

  test('pnpm -g is left alone where its versions differ', () => {
    const reason = `with -g pnpm 11 would ask ${CORP} here, 10 and 12 ${USER}`
    expect(reasonFor(plan('pnpm add -g x'), 'pnpm')).toBe(reason)
    expect(reasonFor(plan('corepack pnpm@10 --global add x'), 'pnpm')).toBe(reason)
    write('project/.npmrc', '')
    expect(plan('pnpm add -g x').upstream).toBe(USER)
    expect(reasonFor(plan('pnpm add -g x'), 'pnpm')).toBeUndefined()
    write('project/pnpm-workspace.yaml', `registry: ${SUB}\n`)
    expect(reasonFor(plan('pnpm add -g x'), 'pnpm')).toContain(SUB)
  })

  test('Yarn is the one of that folder', () => {
    const given = { env: {}, cwd, home: root, platform: 'linux' as const, execPath: '' }
    expect(commandPlace(['yarn', '--cwd', 'sub'], given).family).toBe('yarn-berry')
    expect(commandPlace(['yarn'], given).family).toBe('yarn-classic')
  })

  test('npm’s project is not the one of a script around it, nor its lockfile with -g', () => {
    const env = { npm_config_local_prefix: join(root, 'project') }
    cwd = join(cwd, 'sub')
    expect(plan('npm ci', { env }).upstream).toBe(SUB)
    cwd = join(root, 'project')
    write('project/package-lock.json', `{"resolved": "https://sub.example/x.tgz"}`)
    write('project/.npmrc', '')
    write('home/.npmrc', `registry=${SUB}npm/\n`)
    expect(reasonFor(plan('npm ci'), 'npm')).toContain('not in the registry there')
    expect(reasonFor(plan('npm i -g x'), 'npm')).toBeUndefined()
    const global = { env: { NPM_CONFIG_GLOBAL: 'true' } }
    expect(reasonFor(plan('npm i x', global), 'npm')).toBeUndefined()
  })

  test.each([
    'npm ci --registry https://x.example',
    'npm ci --@acme:registry=https://x.example',
    'npm ci --replace-registry-host=always',
    'pnpm i --registry=https://x.example',
    'pnpm i --userconfig x',
    'yarn install --registry https://x.example',
    'bun i --config=x.toml',
    'bun -c x.toml i',
    'deno install --config x.json',
  ])('%s can’t be known', (command) => {
    const given = { env: {}, cwd, home: root, platform: 'linux' as const, execPath: '' }
    expect(commandPlace(command.split(' '), given).obstacle?.reason).toContain('command line')
    const script = [command.split(' ')[0] ?? '', 'run', 'build', '--', '--registry', 'x']
    expect(commandPlace(script, given).obstacle).toBeUndefined()
  })
})

describe('what a command may start in other folders', () => {
  const SUB = 'https://sub.example/'
  const SET = {
    npm: 'npm_config_registry',
    pnpm: 'pnpm_config_registry',
    'yarn-berry': 'YARN_NPM_REGISTRY_SERVER',
    bun: 'BUN_CONFIG_REGISTRY',
  }
  const FILES = {
    npm: ['.npmrc', `registry=${SUB}\n`],
    pnpm: ['.npmrc', `registry=${SUB}\n`],
    'yarn-berry': ['.yarnrc.yml', `npmRegistryServer: "${SUB}"\n`],
    bun: ['bunfig.toml', `[install]\nregistry = "${SUB}"\n`],
  }
  const given = (command: string): string[] =>
    Object.values(SET).filter((name) => name in variables(plan(command)))

  test.each(['npm', 'pnpm', 'yarn-berry', 'bun'] as const)(
    '%s is left alone where another registry is named',
    (family) => {
      const program = family === 'yarn-berry' ? 'yarn' : family
      write('project/yarn.lock', '__metadata:\n')
      const shell = `sh -c "cd sub && ${program} install"`
      write('project/sub/package.json', '{}')
      write('project/deep/er/x/package.json', '{}')
      expect(given(shell)).toContain(SET[family])
      const [file = '', text = ''] = FILES[family]
      for (const folder of ['sub', 'deep/er/x']) {
        write(`project/${folder}/${file}`, text)
        expect(given(shell), folder).not.toContain(SET[family])
        expect(plan(shell).note).toContain(
          `${family} is not pointed at the gateway: in ${join(folder)} its registry is ${SUB}`,
        )
        rmSync(join(cwd, folder, file))
        expect(given(shell)).toContain(SET[family])
      }
      for (const folder of ['node_modules/x', '.git']) write(`project/${folder}/${file}`, text)
      expect(given(shell)).toContain(SET[family])
      // A folder beside this one, which only the words name.
      write(`other/${file}`, text)
      write('other/package.json', '{}')
      expect(given(`make -C ../other ${program}`)).not.toContain(SET[family])
    },
  )

  test('clients that nothing names get no variable', () => {
    expect(given('make')).toEqual([])
    write('project/client/pnpm-lock.yaml', '')
    expect(given('make')).toEqual(['npm_config_registry', 'pnpm_config_registry'])
    write('project/client/yarn.lock', '# yarn lockfile v1\n')
    expect(given('make')).toEqual(['pnpm_config_registry'])
    expect(given('npm ci')).toEqual(['npm_config_registry'])
  })

  test('tokens and lockfiles count as well', () => {
    write('project/.npmrc', `registry=${CORP}\n`)
    write('project/sub/.npmrc', `registry=${CORP}\n`)
    expect(given('sh -c npm')).toEqual(['npm_config_registry'])
    write('project/sub/.npmrc', `registry=${CORP}\n//npm.corp.example/:_authToken=x\n`)
    write('project/sub/package.json', '{}')
    expect(plan('sh -c npm').note).toContain('need another gateway')
    write('project/sub/.npmrc', `registry=${CORP}\n`)
    write('project/sub/package-lock.json', `"resolved": "${DEFAULT_REGISTRY}a.tgz"`)
    expect(given('sh -c npm')).toEqual([])
  })

  test('a client’s scripts that go elsewhere make it doubtful, too', () => {
    write('project/sub/package.json', '{}')
    write('project/sub/.npmrc', `registry=${SUB}\n`)
    expect(given('npm ci')).toEqual(['npm_config_registry'])
    write('project/package.json', '{"scripts":{"postinstall":"cd sub && npm ci; pnpm -v"}}')
    expect(reasonFor(plan('npm ci'), 'npm')).toBe(`in sub its registry is ${SUB}`)
    rmSync(join(cwd, 'sub', '.npmrc'))
    expect(given('npm ci')).toEqual(['npm_config_registry', 'pnpm_config_registry'])
  })

  test('too many folders to look at are a doubt', () => {
    let path = 'project'
    for (let depth = 0; depth < 18; depth += 1) path += '/x'
    write('project/package-lock.json', '{}')
    expect(given('make')).toEqual(['npm_config_registry'])
    write(`${path}/file`, '')
    expect(given('make')).toEqual([])
    expect(plan('make').note).toContain('too many folders')
    expect(given('npm ci')).toEqual(['npm_config_registry'])
  })

  test('folders that take too long to look at are a doubt', () => {
    write('project/sub/package-lock.json', '{}')
    expect(innerWork(['make'], undefined, cwd)).toMatchObject({ isComplete: true })
    let time = 0
    const slow = () => (time += 1_500)
    expect(innerWork(['make'], undefined, cwd, slow)).toMatchObject({ isComplete: false })
  })

  test('words that are no folders are not looked up', () => {
    write('other/package.json', '{}')
    write('other/.npmrc', `registry=${SUB}\n`)
    const other = join(root, 'other')
    expect(given(`make npm ${other}`)).toEqual([])
    for (const word of [
      'x'.repeat(5000),
      '../'.repeat(100),
      '\0',
      `/${other}`,
      `x://../${other}`,
    ]) {
      expect(given(`make npm ${word}`)).toEqual(['npm_config_registry'])
    }
  })

  test.each([
    'sh -c "npm ci --userconfig ci.npmrc"',
    'env NPM_CONFIG_USERCONFIG=ci.npmrc npm ci',
    'sh -c "npm config set registry=https://x.example/; npm ci"',
    'sh -c "cp ci.npmrc .npmrc && npm ci"',
    'env HOME=/elsewhere npm ci',
    'env YARN_REGISTRY=https://x.example/ npm ci',
    'npx cross-env npm_config_registry=https://x.example/ npm ci',
  ])('%s may change the registry', (command) => {
    write('project/package-lock.json', '{}')
    expect(variables(plan(command))).toEqual({})
    expect(reasonFor(plan(command), 'npm')).toContain('may change the registry itself')
    expect(plan(command).note).toContain('no client is pointed at the gateway')
    expect(JSON.stringify(plan(command))).not.toContain('x.example')
  })

  test('a script that changes the registry counts where scripts may be what runs', () => {
    write('project/package-lock.json', '{}')
    write('project/package.json', '{"scripts":{"setup":"cp ci.npmrc .npmrc && npm ci"}}')
    expect(given('make')).toEqual([])
    for (const command of [
      'npm ci',
      'sh -c "npm ci"',
      'sh -c "cd sub && npm i"',
      'sh -c set -e; npm ci',
      'make',
    ]) {
      write('project/package.json', '{"scripts":{"build":"tsc"}}')
      expect(given(command), command).toEqual(['npm_config_registry'])
    }
  })
})

describe('a client around another one', () => {
  const given = (command: string) => variables(plan(command)).npm_config_registry
  const script = (text: string): void =>
    write('project/package.json', JSON.stringify({ scripts: { setup: text, build: 'tsc' } }))

  test.each(['pnpm -r exec npm ci', 'npx lerna exec -- npm ci', 'npx lerna bootstrap'])(
    '%s goes to other folders',
    (command) => {
      write('project/p/a/package.json', '{}')
      expect(given(command)).toBe(GATEWAY)
      write('project/p/a/.npmrc', 'registry=https://a.example/\n')
      expect(given(command)).toBeUndefined()
      for (const plain of ['npm ci', 'npm run build', 'npx eslint', 'pnpm i']) {
        expect(given(plain), plain).toBe(GATEWAY)
      }
    },
  )

  test('Yarn 1 inside of npm is not given npm’s variable', () => {
    write('project/yarn.lock', '# yarn lockfile v1\n')
    script('yarn add x')
    for (const command of ['npm run setup', 'npx yarn@1 add x', 'npm exec -- yarn add x']) {
      expect(given(command), command).toBeUndefined()
      expect(plan(command).note).toContain('npm_config_registry')
    }
    for (const command of ['npm ci', 'npm run build', 'npx eslint']) {
      expect(given(command), command).toBe(GATEWAY)
      expect(plan(command).note).toBeUndefined()
    }
    write('project/package.json', '{"scripts":{"setup":"npm run inner","inner":"yarn add x"}}')
    expect(given('npm run setup')).toBeUndefined()
    write('project/package.json', '{"scripts":{"preinstall":"npx only-allow yarn"}}')
    expect(given('npm ci')).toBe(GATEWAY)
  })

  test('pnpm inside of npm needs another one behind a company’s registry', () => {
    expect(given('npx pnpm@10 install')).toBe(GATEWAY)
    write('project/.npmrc', `registry=${CORP}\n`)
    expect(given('npx pnpm@10 install')).toBeUndefined()
    expect(plan('npx pnpm@10 install').note).toContain('npm_config_registry')
    expect(given('npx eslint')).toBe(AS_UPSTREAM)
  })
})

describe('a client inside of a command that has credentials of its own', () => {
  const [PNPM, YARN] = ['pnpm_config_registry', 'CATALOG_EXEC_YARN']
  beforeEach(() => {
    write('project/.npmrc', `registry=${CORP}\n`)
    write('project/.yarnrc.yml', `npmRegistryServer: "${CORP}"\n`)
    write('project/pnpm-lock.yaml', '')
  })

  test('is left alone where the gateway would have none, or others', () => {
    for (const name of [PNPM, YARN]) expect(variables(plan('make'))).toHaveProperty(name)
    write('home/.config/pnpm/auth.ini', '//npm.corp.example/:_authToken=hush\n')
    expect(variables(plan('make'))).not.toHaveProperty(PNPM)
    expect(variables(plan('npm run x'))).not.toHaveProperty(PNPM)
    expect(variables(plan('pnpm i'))).toHaveProperty(PNPM)
    expect(reasonFor(plan('make'), 'pnpm')).toContain('its credentials')
    expect(JSON.stringify(plan('make').left)).not.toContain('hush')
    write('home/.npmrc', '//npm.corp.example/:_authToken=other\n')
    expect(variables(plan('make'))).not.toHaveProperty(PNPM)
    write('home/.npmrc', '//npm.corp.example/:_authToken=hush\n')
    expect(variables(plan('make'))).toHaveProperty(PNPM)
  })

  test('Yarn’s own count, not npm’s', () => {
    write('home/.npmrc', '//npm.corp.example/:_authToken=abc\n')
    expect(variables(plan('make'))).toHaveProperty(YARN)
    const token = '  "//npm.corp.example": { npmAuthToken: other }\n'
    write('home/.yarnrc.yml', `npmRegistries:\n${token}`)
    expect(variables(plan('make'))).not.toHaveProperty(YARN)
    expect(variables(plan('yarn'))).toHaveProperty(YARN)
  })
})
