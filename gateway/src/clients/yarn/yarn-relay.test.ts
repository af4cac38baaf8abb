/** The plugin that Yarn loads under `catalog exec`, as Yarn calls it; test/e2e/unusual-urls.test.ts has the real Yarn. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const REGISTRY = 'https://npm.corp.example/api/'
const PACKUMENT = {
  ...{ name: 'a', readme: 'long', 'dist-tags': { latest: '1.0.0' }, time: { '1.0.0': 'then' } },
  versions: {
    '1.0.0': { name: 'a', dist: { tarball: 'x' }, dependencies: { b: '1' }, author: 'somebody' },
  },
}

interface Response {
  readonly statusCode: number
  readonly body: unknown
}
interface Extra {
  readonly target: string
  readonly method?: string
  readonly headers?: Record<string, string | undefined>
  readonly configuration: unknown
}
type Hook = (executor: () => Promise<Response>, extra: Extra) => Promise<() => Promise<Response>>

interface Plugin {
  factory(require: (name: string) => unknown): { hooks: { wrapNetworkRequest: Hook } }
}

let answer: (path: string, response: ServerResponse) => void
let asked: { path: string; headers: IncomingHttpHeaders }[]
let gateway: string
let stop: () => Promise<void>

beforeEach(async () => {
  asked = []
  answer = (_, response) => response.end(JSON.stringify(PACKUMENT))
  const server = createServer(({ url = '', headers }, response) => {
    asked.push({ path: url, headers })
    answer(url, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}/-/place/`
  stop = async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
})
afterEach(async () => {
  delete process.env.CATALOG_EXEC_YARN
  await stop()
})

const DIRECT = { statusCode: 200, body: Buffer.from('from the registry') }

/** Yarn's part. */
function load(settings: { offline?: true; scopes?: Record<string, string>; env?: string } = {}) {
  process.env.CATALOG_EXEC_YARN = settings.env ?? JSON.stringify({ gateway, registry: REGISTRY })
  const scopes = Object.entries(settings.scopes ?? {}).map(
    ([name, url]) => [name, new Map([['npmRegistryServer', url]])] as const,
  )
  const configuration = { get: () => new Map(scopes) }
  const modules: Readonly<Record<string, unknown>> = {
    http: createRequire(import.meta.url)('node:http'),
    '@yarnpkg/core': {
      httpUtils: { getNetworkSettings: () => ({ enableNetwork: settings.offline !== true }) },
    },
  }
  const { factory } = createRequire(import.meta.url)('../../../yarn-relay.cjs') as Plugin
  const { hooks } = factory((name) => modules[name])
  return async (target: string, more: Partial<Extra> = {}): Promise<Response> => {
    const run = await hooks.wrapNetworkRequest(async () => DIRECT, {
      ...{ target, configuration },
      ...more,
    })
    return run()
  }
}

test('what is of the registry goes through the gateway, with all that Yarn said', async () => {
  const get = load()
  const { statusCode, body } = await get(`${REGISTRY}@s%2fa`, {
    headers: { Authorization: 'Bearer mine', Accept: undefined },
  })
  expect(statusCode).toBe(200)
  expect((body as Buffer).toString()).toBe(JSON.stringify(PACKUMENT))
  expect(asked).toMatchObject([
    { path: '/-/place/@s%2fa', headers: { authorization: 'Bearer mine' } },
  ])
})

test('its own reader gets the document as it would have read it, and asks for no 304', async () => {
  const headers = { 'If-None-Match': '"tag"', 'If-Modified-Since': undefined }
  const { body } = await load()(`${REGISTRY}a`, { headers })
  const { readme, ...kept } = PACKUMENT
  expect(readme).toBe('long')
  expect(body).toEqual({
    ...{ 'dist-tags': kept['dist-tags'], time: kept.time },
    versions: { '1.0.0': { name: 'a', dist: { tarball: 'x' }, dependencies: { b: '1' } } },
  })
  expect(asked[0]?.headers).not.toHaveProperty('if-none-match')
})

test.each([
  ['another registry', 'https://other.example/api/a', {}, {}],
  ['another path of its host', 'https://npm.corp.example/x.tgz', {}, {}],
  ['a call of the registry', `${REGISTRY}-/v1/search`, {}, {}],
  ['a publication', `${REGISTRY}a`, { method: 'PUT' }, {}],
  ['no network', `${REGISTRY}a`, {}, { offline: true }],
  ['a registry within it', `${REGISTRY}s/a`, {}, { scopes: { s: `${REGISTRY}s` } }],
  ['no gateway named', `${REGISTRY}a`, {}, { env: '{}' }],
] as const)('%s is none of its business', async (_, target, more, settings) => {
  expect(await load(settings)(target, more)).toBe(DIRECT)
  expect(asked).toEqual([])
})

describe('what the gateway has not got comes from the registry', () => {
  test.each([
    ['a refusal', (response: ServerResponse) => response.writeHead(404).end()],
    [
      'a cut',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 10 })
        response.write('12345', () => response.destroy())
      },
    ],
    ['nonsense', (response: ServerResponse) => response.end('<html>')],
  ])('%s', async (_, fail) => {
    answer = (_path, response) => fail(response)
    expect(await load()(`${REGISTRY}a`, { headers: { 'if-none-match': undefined } })).toBe(DIRECT)
    expect(asked.length).toBe(1)
  })

  test('and one that says nothing is not waited for', async () => {
    const isAsked = new Promise<void>((resolve) => {
      answer = () => resolve()
    })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const got = load()(`${REGISTRY}a`)
      await isAsked
      vi.advanceTimersByTime(20_000)
      expect(await got).toBe(DIRECT)
    } finally {
      vi.useRealTimers()
    }
  })

  test('and one that fails again and again is left alone', async () => {
    answer = (_, response) => response.destroy()
    const get = load()
    for (let count = 0; count < 5; count += 1) expect(await get(`${REGISTRY}a`)).toBe(DIRECT)
    expect(asked.length).toBe(3)
  })
})

test('the published package has it', () => {
  const { files } = createRequire(import.meta.url)('../../../package.json') as { files: string[] }
  expect(files).toContain('yarn-relay.cjs')
})
