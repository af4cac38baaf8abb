import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ClientName } from './client.ts'
import { proxyInTheWay } from './proxy-in-the-way.ts'

let home: string
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'catalog-proxy-'))))
afterEach(() => rmSync(home, { recursive: true }))

const PROXY = 'http://me:hunter2@proxy.invalid:8080'

function look(client: ClientName, env: Record<string, string>, npmrc = '') {
  writeFileSync(join(home, '.npmrc'), npmrc)
  const context = { env: { PREFIX: home, ...env }, home, platform: process.platform }
  return proxyInTheWay(client, context, 'http://127.0.0.1:4874/')
}

test.each([
  ['npm', { HTTP_PROXY: PROXY }, '', 'HTTP_PROXY', 'set NO_PROXY=127.0.0.1'],
  ['npm', { https_proxy: PROXY }, '', 'https_proxy', 'set NO_PROXY=127.0.0.1'],
  ['pnpm', { http_proxy: PROXY }, '', 'http_proxy', 'set NO_PROXY=127.0.0.1'],
  ['bun', { HTTP_PROXY: PROXY }, '', 'HTTP_PROXY', 'set NO_PROXY=127.0.0.1'],
  [
    ...(['npm', { HTTP_PROXY: PROXY, NO_PROXY: '.corp,127.0.0.0/8' }, '', 'HTTP_PROXY'] as const),
    'set NO_PROXY=.corp,127.0.0.0/8,127.0.0.1',
  ],
  ['npm', {}, `proxy=${PROXY}`, "the setting proxy of npm's", 'set NO_PROXY=127.0.0.1'],
  [
    ...(['npm', { HTTP_PROXY: PROXY, NO_PROXY: '127.0.0.1' }, 'noproxy=.corp'] as const),
    ...(['HTTP_PROXY', 'npm config set noproxy ".corp,127.0.0.1"'] as const),
  ],
] as const)('%s asks a proxy with %j and "%s"', (client, env, npmrc, by, next) => {
  expect(look(client, env, npmrc)).toEqual({ by, next })
})

test.each([
  ['npm', {}, ''],
  ['npm', { HTTP_PROXY: PROXY, NO_PROXY: '127.0.0.1,localhost' }, ''],
  ['npm', { HTTP_PROXY: PROXY, no_proxy: '.corp 127.0.0.1' }, ''],
  ['npm', { HTTP_PROXY: PROXY }, 'noproxy=127.0.0.1'],
  ['npm', {}, 'proxy=null'],
  ['bun', { HTTPS_PROXY: PROXY }, ''],
  ['bun', { HTTP_PROXY: PROXY, NO_PROXY: '*' }, ''],
  ['yarn', { HTTP_PROXY: PROXY }, ''],
] as const)('%s reaches the gateway with %j and "%s"', (client, env, npmrc) => {
  expect(look(client, env, npmrc)).toBeUndefined()
})
