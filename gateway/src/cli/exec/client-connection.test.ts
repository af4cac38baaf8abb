/** What a client's own files and variables say about TLS and proxies, in npm's spelling, and what can't be said in it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectionObstacle, connectionOf } from './client-connection.ts'
import type { ClientFamily } from './client-family.ts'
import type { ExecPlace } from './client-registry.ts'

const CORP = 'https://npm.corp.example/'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-connection-'))
  write('project/package.json', '{}')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

function placeOf(env: Record<string, string> = {}): ExecPlace {
  const [cwd, home] = [join(root, 'project'), join(root, 'home')]
  return { env, cwd, home, platform: 'linux', execPath: join(root, 'bin', 'node') }
}

function of(family: ClientFamily, env: Record<string, string> = {}, upstream = CORP) {
  return connectionOf(family, placeOf(env), upstream)
}

describe('Yarn', () => {
  test('has its files’ authorities, strictness and proxy, and nothing of npm’s', () => {
    write('project/.npmrc', 'strict-ssl=false\ncafile=/npms.pem\n')
    expect(of('yarn-berry').settings).toEqual({ 'strict-ssl': 'true', ca: '', cafile: '' })
    write('project/.yarnrc.yml', 'httpsCaFilePath: ./ca.pem\nenableStrictSsl: false\n')
    write('home/.yarnrc.yml', 'httpsCaFilePath: other.pem\nhttpsProxy: "http://${HOST}:80"\n')
    expect(of('yarn-berry', { HOST: 'proxy' }).settings).toEqual({
      ...{ 'strict-ssl': 'false', ca: '', cafile: join(root, 'project', 'ca.pem') },
      ...{ 'https-proxy': 'http://proxy:80', noproxy: '' },
    })
    const env = { YARN_HTTPS_CA_FILE_PATH: '/env.pem', YARN_ENABLE_STRICT_SSL: 'true' }
    expect(of('yarn-berry', env).settings).toMatchObject({
      ...{ 'strict-ssl': 'true', cafile: '/env.pem' },
    })
  })

  test('is left alone where it connects to its registry in a way of its own', () => {
    write('project/.yarnrc.yml', 'networkSettings:\n  "*.corp.example":\n    httpsCaFilePath: a\n')
    expect(of('yarn-berry').obstacle).toMatch(/networkSettings/)
    expect(of('yarn-berry', {}, 'https://else.example/').obstacle).toBeUndefined()
    write('project/.yarnrc.yml', 'httpsKeyFilePath: a\n')
    expect(of('yarn-berry').obstacle).toMatch(/client certificate/)
  })
})

describe('pnpm', () => {
  test('has variables before the workspace’s file before the user’s', () => {
    write('project/pnpm-workspace.yaml', 'strictSsl: false\nhttpsProxy: http://one\n')
    write('home/.config/pnpm/config.yaml', 'httpsProxy: http://two\nca: PEM\n')
    expect(of('pnpm').settings).toEqual({
      ...{ 'strict-ssl': 'false', 'https-proxy': 'http://one', ca: 'PEM' },
    })
    const env = { pnpm_config_strict_ssl: 'true', PNPM_CONFIG_HTTPS_PROXY: 'http://three' }
    expect(of('pnpm', env).settings).toMatchObject({
      ...{ 'strict-ssl': 'true', 'https-proxy': 'http://three' },
    })
  })

  test('is left alone where npm’s configuration has no word for it', () => {
    for (const line of ['cert: PEM', 'noProxy: a\nhttpProxy: http://b']) {
      write('project/pnpm-workspace.yaml', `${line}\n`)
      expect(of('pnpm').obstacle, line).toBe('its TLS and proxy settings are its own')
    }
    write('project/pnpm-workspace.yaml', '')
    write('project/.npmrc', '//npm.corp.example/:cafile=/a.pem\n')
    expect(of('pnpm').obstacle).toBe('its TLS and proxy settings are its own')
  })
})

test('Bun has the file that its bunfig.toml names; certificates in there are an obstacle', () => {
  write('project/bunfig.toml', '[install]\ncafile = "ca.pem"\n')
  expect(of('bun').settings).toEqual({ ca: '', cafile: join(root, 'project', 'ca.pem') })
  write('project/bunfig.toml', '[install]\nca = ["PEM"]\n')
  expect(of('bun').obstacle).toMatch(/bunfig/)
})

test('Deno adds a file to the authorities that it has, or to the stores that it is told', () => {
  write('project/.npmrc', 'strict-ssl=false\n')
  write('project/ca.pem', 'PEM')
  expect(of('deno').settings).toEqual({ 'strict-ssl': 'true', ca: '', cafile: '' })
  const { ca = '' } = of('deno', { DENO_CERT: 'ca.pem' }).settings
  expect(ca.endsWith('\nPEM')).toBe(true)
  expect(ca.startsWith(rootCertificates[0] ?? 'none')).toBe(true)
  const system = of('deno', { DENO_CERT: 'ca.pem', DENO_TLS_CA_STORE: 'system' }).settings
  expect(system.ca).not.toContain(rootCertificates[0]?.slice(200, 600) ?? '')
  expect(of('deno', { DENO_CERT: 'none.pem' }).obstacle).toMatch(/DENO_CERT/)
  expect(of('deno', { DENO_TLS_CA_STORE: 'other' }).obstacle).toMatch(/DENO_TLS_CA_STORE/)
})

test('without TLS none of it counts', () => {
  write('project/.yarnrc.yml', 'httpsProxy: http://one\nhttpsKeyFilePath: a\n')
  expect(of('yarn-berry', {}, 'http://npm.corp.example/')).toEqual({ settings: {} })
})

describe('whether one gateway will do', () => {
  const obstacle = (family: ClientFamily, command: string, main?: ClientFamily) => {
    const wish = { command: command.split(' '), family: main }
    return connectionObstacle(family, { place: placeOf(), wish, upstream: CORP })?.reason
  }

  test('for those that connect as the command’s own client does', () => {
    write('project/.npmrc', 'cafile=/corp.pem\n')
    expect(obstacle('npm', 'make')).toBeUndefined()
    expect(obstacle('pnpm', 'make')).toBeUndefined()
    expect(obstacle('yarn-berry', 'make')).toBe('its TLS and proxy settings are its own')
    expect(obstacle('npm', 'yarn', 'yarn-berry')).toBe('its TLS and proxy settings are its own')
    write('project/.yarnrc.yml', 'httpsCaFilePath: /corp.pem\n')
    expect(obstacle('yarn-berry', 'make')).toBeUndefined()
  })

  test('and not for one that is told otherwise on the command line', () => {
    const said = 'its TLS or proxy settings are on the command line'
    expect(obstacle('npm', 'npm ci --cafile=a.pem', 'npm')).toBe(said)
    expect(obstacle('pnpm', 'pnpm i --no-strict-ssl', 'pnpm')).toBe(said)
    expect(obstacle('npm', 'npm run x -- --cafile=a.pem', 'npm')).toBeUndefined()
  })
})
