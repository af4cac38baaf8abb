import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expandEnvironment, readNpmConfig, watchNpmConfig, type NpmConfig } from './npmrc.ts'
import { createRegistries } from './registries.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'catalog-npmrc-'))
  for (const folder of ['home', 'project', 'prefix/etc']) {
    await mkdir(join(root, folder), { recursive: true })
  }
})
afterEach(() => rm(root, { recursive: true, force: true }))

function read(env: Record<string, string> = {}): NpmConfig {
  return readNpmConfig({
    ...{ env, cwd: join(root, 'project'), home: join(root, 'home') },
    ...{ execPath: join(root, 'prefix', 'bin', 'node'), platform: 'linux' },
  })
}
const write = (path: string, text: string) => writeFile(join(root, path), text)

test('environment before project before user before global', async () => {
  await write('prefix/etc/npmrc', 'registry=https://g.invalid/\na=g\nb=g\nc=g\n')
  await write('home/.npmrc', 'registry=https://u.invalid/\na=u\nb=u\n')
  await write('project/.npmrc', 'registry=https://p.invalid/\na=p\n')
  const config = read({ npm_config_registry: 'https://e.invalid/' })
  expect(config.get('registry')).toBe('https://e.invalid/')
  expect([config.get('a'), config.get('b'), config.get('c')]).toEqual(['p', 'u', 'g'])
  expect(read().get('registry')).toBe('https://p.invalid/')
})

test('keys of hosts and scopes, and lists', async () => {
  await write(
    'home/.npmrc',
    [
      '; a comment',
      '@corp:registry = "https://corp.invalid/"',
      '//corp.invalid/:_authToken=abc==',
      '//corp.invalid/npm/:_auth=dTpw',
      'strict-ssl=false',
      'ca[]=one',
      'ca[]=two',
    ].join('\n'),
  )
  const config = read()
  expect(config.get('@corp:registry')).toBe('https://corp.invalid/')
  expect(config.get('//corp.invalid/:_authToken')).toBe('abc==')
  expect(config.get('//corp.invalid/npm/:_auth')).toBe('dTpw')
  expect(config.get('strict-ssl')).toBe('false')
  expect(config.all('ca')).toEqual(['one', 'two'])
})

test('names in the environment are spelled as npm takes them', () => {
  const config = read({
    NPM_CONFIG_STRICT_SSL: 'false',
    npm_config_https_proxy: 'http://proxy.invalid',
    'npm_config_//Corp.invalid/:_authToken': 'secret',
    'npm_config_@Corp:registry': 'https://corp.invalid/',
    npm_config__auth: 'x',
    npm_config_empty: '',
  })
  expect(config.get('strict-ssl')).toBe('false')
  expect(config.get('https-proxy')).toBe('http://proxy.invalid')
  expect(config.get('//Corp.invalid/:_authToken')).toBe('secret')
  expect(config.get('@Corp:registry')).toBe('https://corp.invalid/')
  expect(config.get('_auth')).toBe('x')
  expect(config.get('empty')).toBeUndefined()
})

test('the files may lie elsewhere', async () => {
  await write('home/other', 'a=other\nglobalconfig=' + join(root, 'g').replaceAll('\\', '\\\\'))
  await write('g', 'b=global\n')
  const config = read({ npm_config_userconfig: join(root, 'home', 'other') })
  expect([config.get('a'), config.get('b')]).toEqual(['other', 'global'])
})

test('environment variables are expanded as npm does', async () => {
  await write('home/.npmrc', '//a.invalid/:_authToken=${TOKEN}\nb=x${NONE}y\nc=x${NONE?}y\n')
  const config = read({ TOKEN: 's3cret' })
  expect(config.get('//a.invalid/:_authToken')).toBe('s3cret')
  expect(config.get('b')).toBe('x${NONE}y')
  expect(config.get('c')).toBe('xy')
})

test.each([
  ['${A}-${A}', '1-1'],
  ['\\${A}', '${A}'],
  ['\\\\${A}', '\\1'],
  ['$A ${} ${', '$A ${} ${'],
])('%s expands to %s', (text, expected) => {
  expect(expandEnvironment(text, { A: '1' })).toBe(expected)
})

test('no file at all is no configuration', () => {
  expect([...read().keys()]).toEqual([])
})

test('a token that was renewed in a file counts, without a restart', async () => {
  await write('home/.npmrc', '//a.invalid/:_authToken=old\n')
  let nowMs = 0
  const config = watchNpmConfig(
    {
      ...{ env: {}, cwd: join(root, 'project'), home: join(root, 'home'), projectFolders: [] },
      ...{ execPath: join(root, 'prefix', 'bin', 'node'), platform: 'linux' },
    },
    { now: () => nowMs },
  )
  const drop = (): void => undefined
  const log = { debug: drop, info: drop, warn: drop, error: drop }
  const options = { upstream: undefined, previousRegistry: undefined, port: 0, addresses: [] }
  const registries = createRegistries({ config, log }, options)
  const shown = (url: string) => registries.credentialsFor(new URL(url))?.authorization
  expect(shown('https://a.invalid/x')).toBe('Bearer old')
  // As editors and `npm login` do it: another file takes its place, with a host that had none before.
  await write('home/new', '//a.invalid/:_authToken=new\n//b.invalid/:_authToken=its\n')
  await rename(join(root, 'home/new'), join(root, 'home/.npmrc'))
  expect(shown('https://a.invalid/x')).toBe('Bearer old') // a second has not passed
  nowMs = 1_000
  expect(shown('https://a.invalid/x')).toBe('Bearer new')
  expect(shown('https://b.invalid/x')).toBe('Bearer its')
  await rm(join(root, 'home/.npmrc'))
  nowMs = 2_000
  expect(shown('https://a.invalid/x')).toBe('Bearer new') // it may be on the way
  nowMs = 3_000
  expect(shown('https://a.invalid/x')).toBeUndefined()
})

test('a daemon has the settings of its user, a file that it was told, and no folder’s', async () => {
  await write('home/.npmrc', 'a=user\nb=user\n')
  await write('project/.npmrc', '//evil.invalid/:_authToken=x\na=project\n')
  await write('more', 'b=more\n')
  const config = watchNpmConfig({
    ...{ env: {}, cwd: join(root, 'project'), home: join(root, 'home'), projectFolders: [] },
    ...{ execPath: join(root, 'prefix', 'bin', 'node'), platform: 'linux' },
    firstFile: join(root, 'more'),
  })
  expect([config.get('a'), config.get('b')]).toEqual(['user', 'more'])
  expect(config.get('//evil.invalid/:_authToken')).toBeUndefined()
})

function watched(): { config: NpmConfig; logged: string[]; tick(): void } {
  let nowMs = 0
  const logged: string[] = []
  const note = (event: string): void => void logged.push(event)
  const place = { env: {}, cwd: join(root, 'project'), home: join(root, 'home') }
  const config = watchNpmConfig(
    {
      ...{ ...place, projectFolders: [], platform: 'linux' },
      execPath: join(root, 'prefix', 'bin', 'node'),
    },
    { now: () => nowMs, log: { debug: note, info: note, warn: note, error: note } },
  )
  return { config, logged, tick: () => void (nowMs += 1_000) }
}

test.each([
  ['all of it', ''],
  ['its end', '//a.invalid/:_authToken=a\n'],
])('a file that lacks %s while it is written makes nobody anonymous', async (_what, half) => {
  const whole = '//a.invalid/:_authToken=a\n//b.invalid/:_authToken=b\n'
  const renewed = whole.replace('=b', '=renewed')
  await write('home/.npmrc', whole)
  const { config, tick } = watched()
  await write('home/.npmrc', half)
  tick()
  expect(config.get('//a.invalid/:_authToken')).toBe('a')
  expect(config.get('//b.invalid/:_authToken')).toBe('b')
  await write('home/.npmrc', renewed)
  tick()
  expect(config.get('//b.invalid/:_authToken')).toBe('renewed')
})

test('credentials that were taken out are gone at the second look', async () => {
  await write('home/.npmrc', '//a.invalid/:_authToken=a\n')
  const { config, tick } = watched()
  await write('home/.npmrc', 'fund=false\n')
  tick()
  expect(config.get('//a.invalid/:_authToken')).toBe('a')
  tick()
  expect(config.get('//a.invalid/:_authToken')).toBeUndefined()
  expect(config.get('fund')).toBe('false')
})

// Windows has no pipes in folders.
test.skipIf(process.platform === 'win32')(
  'a file that can no longer be read leaves what was known, says so once, and counts again later',
  async () => {
    await write('home/.npmrc', '//a.invalid/:_authToken=a\n')
    const { config, logged, tick } = watched()
    await rm(join(root, 'home/.npmrc'))
    execFileSync('mkfifo', [join(root, 'home/.npmrc')])
    for (let looks = 0; looks < 3; looks += 1) {
      tick()
      expect(config.get('//a.invalid/:_authToken')).toBe('a')
    }
    expect(logged).toEqual(['npmrc.unreadable'])
    await rm(join(root, 'home/.npmrc'))
    await write('home/.npmrc', '//a.invalid/:_authToken=new\n')
    tick()
    expect(config.get('//a.invalid/:_authToken')).toBe('new')
  },
)
