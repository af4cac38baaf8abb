import { gzipSync } from 'node:zlib'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [], registry: { prefix: '/npm/' } })
})
afterEach(() => world[Symbol.asyncDispose]())

const JSON_TYPE = { 'content-type': 'application/json' }

function answer(body: unknown, status = 200, headers: Record<string, string> = {}): void {
  const send = (res: ServerResponse): void => {
    const bytes = Buffer.from(JSON.stringify(body))
    const sent = headers['content-encoding'] === 'gzip' ? gzipSync(bytes) : bytes
    const more = { 'content-length': sent.length, ...headers }
    res.writeHead(status, { ...JSON_TYPE, ...more }).end(sent)
  }
  world.upstream.otherwise = (_request, res) => send(res)
}

async function ask(path: string, method = 'GET'): Promise<unknown> {
  return (await fetch(world.url + path, { method })).json()
}

describe('a web login', () => {
  test('waits through this gateway, and opens the page of the registry', async () => {
    const loginUrl = `${world.upstream.url}login?next=x`
    answer({ loginUrl, doneUrl: `${world.upstream.url}-/v1/done?sessionId=7`, other: 1 })
    expect(await ask('/-/v1/login', 'POST')).toEqual({
      loginUrl,
      doneUrl: `${world.url}/-/v1/done?sessionId=7`,
      other: 1,
    })
  })

  test('waits elsewhere, if that is what the registry says', async () => {
    const said = { loginUrl: 'https://login.example/', doneUrl: 'https://login.example/done' }
    answer(said)
    expect(await ask('/-/v1/login', 'POST')).toEqual(said)
    // The same host, but not under the registry.
    const beside = { ...said, doneUrl: `${new URL(world.upstream.url).origin}/elsewhere` }
    answer(beside)
    expect(await ask('/-/v1/login', 'POST')).toEqual(beside)
  })

  test('that is refused goes through as it is', async () => {
    answer({ error: 'no', doneUrl: world.upstream.url }, 404)
    const response = await fetch(`${world.url}/-/v1/login`, { method: 'POST' })
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ error: 'no', doneUrl: world.upstream.url })
  })
})

describe('a second factor in the browser', () => {
  const challenge = { 'www-authenticate': 'OTP' }

  test.each([[{}], [{ 'content-encoding': 'gzip' }]])('is waited for here %j', async (headers) => {
    const authUrl = `${world.upstream.url}auth`
    answer({ authUrl, doneUrl: `${world.upstream.url}-/done/7` }, 401, { ...challenge, ...headers })
    const response = await fetch(`${world.url}/fx-one`, { method: 'PUT' })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('OTP')
    expect(await response.json()).toEqual({ authUrl, doneUrl: `${world.url}/-/done/7` })
  })

  test('a classic one, gzipped, goes through as it is', async () => {
    answer({ error: 'otp' }, 401, { ...challenge, 'content-encoding': 'gzip' })
    const response = await fetch(`${world.url}/fx-one`, { method: 'PUT' })
    expect(await response.json()).toEqual({ error: 'otp' })
  })
})

test('the next page of tokens is asked for here', async () => {
  const next = `${world.upstream.url}-/npm/v1/tokens?page=2`
  answer({ objects: [], urls: { next } })
  expect(await ask('/-/npm/v1/tokens')).toEqual({
    objects: [],
    urls: { next: `${world.url}/-/npm/v1/tokens?page=2` },
  })
  const relative = { objects: [], urls: { next: '/-/npm/v1/tokens?page=2' } }
  answer(relative)
  expect(await ask('/-/npm/v1/tokens')).toEqual(relative)
})

test.each([['{"doneUrl":'], ['null'], ['"x"'], ['{"doneUrl":7}']])(
  '%s goes through as it is',
  async (body) => {
    world.upstream.otherwise = (_request, res) => void res.writeHead(200, JSON_TYPE).end(body)
    const response = await fetch(`${world.url}/-/v1/login`, { method: 'POST' })
    expect(await response.text()).toBe(body)
  },
)

test('what says that it is long is not looked at', async () => {
  const doneUrl = `${world.upstream.url}-/v1/done`
  answer({ doneUrl, padding: 'x'.repeat(1024 * 1024) })
  expect(await ask('/-/v1/login', 'POST')).toMatchObject({ doneUrl })
})
