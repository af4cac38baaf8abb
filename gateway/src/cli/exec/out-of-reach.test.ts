import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import type { OwnRegistry } from '../../clients/own-registry.ts'
import { isOutOfReach } from './out-of-reach.ts'

let server: Server
let port: number
beforeAll(async () => {
  server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as { port: number }).port
})
afterAll(() => void server.close())

const NOBODY = 'http://127.0.0.1:1/'
const { signal } = new AbortController()

function own(registry: string, more: Partial<OwnRegistry> = {}): OwnRegistry {
  const npm = npmConfigFrom({})
  return { registry, npm, settings: new Map(), hasUnscopedCredentials: false, ...more }
}

test('a registry that takes a connection is in reach, whatever it would say', async () => {
  expect(await isOutOfReach(own(`http://127.0.0.1:${port}/npm/`), {}, signal)).toBe(false)
})

test('one that takes none, with no other way, is not', async () => {
  expect(await isOutOfReach(own(NOBODY), {}, signal)).toBe(true)
  expect(await isOutOfReach(own('http://nowhere.invalid/'), {}, signal)).toBe(true)
  const dead = { HTTPS_PROXY: '127.0.0.1:1', npm_config_proxy: 'http://127.0.0.1:1' }
  expect(await isOutOfReach(own(NOBODY), dead, signal)).toBe(true)
})

test.each([
  ['a variable', { env: { https_proxy: 'PROXY' } }],
  ['a variable of Yarn', { env: { YARN_HTTPS_PROXY: 'PROXY' } }],
  ["npm's configuration", { npm: { 'https-proxy': 'PROXY' } }],
  ["the client's settings", { settings: { httpsProxy: 'PROXY' } }],
])('a proxy in %s may reach further', async (_where, given) => {
  const { env = {}, npm = {}, settings = {} } = given as Record<string, Record<string, string>>
  const fill = (values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.keys(values).map((key) => [key, `http://127.0.0.1:${port}`]))
  const more = { npm: npmConfigFrom(fill(npm)), settings: new Map(Object.entries(fill(settings))) }
  expect(await isOutOfReach(own(NOBODY, more), fill(env), signal)).toBe(false)
})
