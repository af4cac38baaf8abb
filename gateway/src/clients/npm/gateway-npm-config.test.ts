/** npm's configuration for a gateway of exec: what is kept of the client's, what is not. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import { gatewayNpmConfig, hasOwnConnection, npmConfigOf } from './gateway-npm-config.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-npm-config-'))
  for (const name of ['home', 'project']) mkdirSync(join(root, name))
  writeFileSync(join(root, 'project', 'package.json'), '{}')
})
afterEach(() => rmSync(root, { recursive: true }))

const context = (env: Record<string, string> = {}) => ({
  ...{ env, cwd: join(root, 'project'), home: join(root, 'home') },
  ...({ platform: 'linux', execPath: join(root, 'bin', 'node') } as const),
})

test('proxies of the environment count where npm names none, registries of scopes never', () => {
  const npm = npmConfigFrom({ '@acme:registry': 'https://acme.example/', noproxy: 'a.example' })
  const env = { https_proxy: 'http://proxy.example', NO_PROXY: 'b.example' }
  const config = gatewayNpmConfig(npm, 'npm', env)
  expect(config.get('https-proxy')).toBe('http://proxy.example')
  expect(config.get('noproxy')).toBe('a.example')
  expect(config.get('@acme:registry')).toBeUndefined()
  expect([...config.keys()]).not.toContain('@acme:registry')
})

test('that npm does not check certificates is no other client’s wish', () => {
  const npm = npmConfigFrom({ 'strict-ssl': 'false' })
  expect(gatewayNpmConfig(npm, 'npm', {}).get('strict-ssl')).toBe('false')
  for (const family of ['pnpm', 'yarn-berry', 'bun', 'deno'] as const) {
    expect(gatewayNpmConfig(npm, family, {}).get('strict-ssl'), family).toBe('true')
  }
})

test('the project’s file is for those that read it', () => {
  writeFileSync(join(root, 'project', '.npmrc'), 'cafile=x.pem\n')
  expect(npmConfigOf('npm', context()).get('cafile')).toBe('x.pem')
  expect(npmConfigOf('yarn-berry', context()).get('cafile')).toBeUndefined()
})

test.each([
  ['nothing', '', '', {}, false],
  ['the user’s file', '//a.example/:_authToken=x\n', '', {}, false],
  ['the project’s file', '', '//a.example/:_authToken=x\n', {}, true],
  ['the project’s file, otherwise', 'cafile=a.pem\n', 'cafile=b.pem\n', {}, true],
  ['a variable', '', '', { 'npm_config_//a.example/:_authToken': 'x' }, true],
  ['a variable for TLS', '', '', { NPM_CONFIG_STRICT_SSL: 'false' }, true],
  ['a registry, which is no connection', '', 'registry=https://a.example/\n', {}, false],
])('who says how to connect: %s', (_, user, project, env, expected) => {
  writeFileSync(join(root, 'home', '.npmrc'), user)
  writeFileSync(join(root, 'project', '.npmrc'), project)
  const given = context(env)
  expect(hasOwnConnection(npmConfigOf('npm', given), given)).toBe(expected)
})
