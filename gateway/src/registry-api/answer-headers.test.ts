import { describe, expect, test } from 'vitest'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { passedHeaders } from './answer-headers.ts'

const REGISTRY = 'https://npm.corp.invalid/api/npm/'
const context = {
  url: new URL('-/v1/search?text=a', REGISTRY),
  registry: REGISTRY,
  base: 'http://127.0.0.1:4874',
  status: 200,
}

describe('content types', () => {
  test.each([
    ['application/json', 'application/json'],
    ['application/json; charset=utf-8', 'application/json; charset=utf-8'],
    ['application/vnd.npm.install-v1+json', 'application/vnd.npm.install-v1+json'],
    ['application/problem+json', 'application/problem+json'],
    ['text/plain;charset=UTF-8', 'text/plain;charset=UTF-8'],
    ['application/octet-stream', 'application/octet-stream'],
    ['application/gzip', 'application/gzip'],
    ['Application/X-Gzip', 'Application/X-Gzip'],
    ['text/html; charset=utf-8', 'application/octet-stream'],
    ['application/xhtml+xml', 'application/octet-stream'],
    ['image/svg+xml', 'application/octet-stream'],
    ['text/javascript', 'application/octet-stream'],
    ['text/html, application/json', 'application/octet-stream'],
    ['text/html\u000b;application/json', 'application/octet-stream'],
    ['application/json, text/html', 'application/octet-stream'],
    ['application/json; a="b", text/html', 'application/octet-stream'],
    ['', 'application/octet-stream'],
    [undefined, 'application/octet-stream'],
  ])('%s', (given, passed) => {
    expect(passedHeaders({ 'content-type': given }, context)['content-type']).toBe(passed)
  })

  test('of an answer without a body: none is made up', () => {
    expect(passedHeaders({}, { ...context, status: 204 })).toEqual({})
    expect(passedHeaders({}, { ...context, status: 304 })).toEqual({})
  })
})

test('only what clients read goes on', () => {
  const kept = {
    etag: '"7"',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'cache-control': 'max-age=60',
    'npm-notice': 'hello',
    'www-authenticate': 'OTP',
    'retry-after': '30',
    'content-type': 'application/json',
    'content-length': '2',
    'content-encoding': 'gzip',
  }
  const dropped = {
    'set-cookie': ['a=b'],
    'access-control-allow-origin': '*',
    'clear-site-data': '"*"',
    'service-worker-allowed': '/',
    'strict-transport-security': 'max-age=1',
    'content-security-policy': 'default-src *',
    'x-content-type-options': 'sniff',
    refresh: '0; url=https://evil.invalid/',
    'x-local-cache': 'x',
    'alt-svc': 'h3=":443"',
    'transfer-encoding': 'chunked',
    connection: 'close',
  }
  expect(passedHeaders({ ...kept, ...dropped }, context)).toEqual(kept)
})

describe('where upstream sends a client', () => {
  test.each([
    ['under its registry', `${REGISTRY}-/one`, 'http://127.0.0.1:4874/-/one'],
    ['relative to the host', '/api/npm/-/one?x=1', 'http://127.0.0.1:4874/-/one?x=1'],
    ['relative to what was asked', 'two', 'http://127.0.0.1:4874/-/v1/two'],
    ['out of its registry', '/login', 'https://npm.corp.invalid/login'],
    ['beside it', '/api/npm-other/x', 'https://npm.corp.invalid/api/npm-other/x'],
    ['elsewhere', 'https://cdn.invalid/a', 'https://cdn.invalid/a'],
    ['elsewhere without a scheme', '//cdn.invalid/a', 'https://cdn.invalid/a'],
  ])('%s', (_where, location, passed) => {
    expect(passedHeaders({ location }, { ...context, status: 302 }).location).toBe(passed)
  })

  test.each(['javascript:alert(1)', 'data:text/html,x', 'http://['])('not %s', (location) => {
    expect(passedHeaders({ location }, { ...context, status: 302 }).location).toBeUndefined()
  })
})

test('a redirect of a registry under a path comes to the place it means', async () => {
  await using world = await gatewayWorld({ registry: { prefix: '/api/npm/' } })
  world.upstream.otherwise = ({ url }, res) => {
    if (url === '/api/npm/-/v1/search?text=a') {
      res.writeHead(302, { location: '/api/npm/-/v1/found' }).end()
    } else if (url === '/api/npm/-/v1/found') res.end('{"objects":[]}')
    else res.writeHead(404).end('{}')
  }
  const found = await fetch(`${world.url}/-/v1/search?text=a`)
  expect([found.status, await found.text()]).toEqual([200, '{"objects":[]}'])
})
