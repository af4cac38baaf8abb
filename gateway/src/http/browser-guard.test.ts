import { describe, expect, test } from 'vitest'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { browserProblem } from './browser-guard.ts'

const HOST = '127.0.0.1:4874'

test.each([
  ['a package manager', {}, true],
  ["Node's own fetch", { 'sec-fetch-mode': 'cors' }, true],
  ['an address that somebody typed', { 'sec-fetch-site': 'none' }, true],
  ['a page of ours', { 'sec-fetch-site': 'same-origin', origin: `http://${HOST}` }, true],
  ['another site', { 'sec-fetch-site': 'cross-site' }, false],
  ['another port of localhost', { 'sec-fetch-site': 'same-site' }, false],
  ['a word that is new to us', { 'sec-fetch-site': 'friendly-site' }, false],
  ['two answers at once', { 'sec-fetch-site': 'none, cross-site' }, false],
  ['an old browser on another site', { origin: 'https://evil.invalid' }, false],
  ['a page without an origin', { origin: 'null' }, false],
  ['our name at another port', { origin: 'http://127.0.0.1:80' }, false],
])('%s', (_who, headers, isLetIn) => {
  expect(browserProblem({ host: HOST, ...headers }) === undefined).toBe(isLetIn)
})

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
}

describe('a gateway', () => {
  const packages = [makePackage('fx-one', '1.0.0')]

  test.each(['GET', 'HEAD'])(
    'answers no %s of a foreign page, whatever is there',
    async (method) => {
      await using world = await gatewayWorld({ packages })
      const seen = []
      for (const path of [
        '/fx-one',
        '/fx-none',
        '/fx-one/-/fx-one-1.0.0.tgz',
        '/-/catalog/status',
      ]) {
        const response = await fetch(world.url + path, {
          method,
          headers: { 'sec-fetch-site': 'cross-site' },
        })
        seen.push({ status: response.status, body: await response.text() })
        expect(Object.fromEntries(response.headers)).toMatchObject(SECURITY_HEADERS)
      }
      const [first] = seen
      expect(first?.status).toBe(403)
      for (const one of seen) expect(one).toEqual(first)
      expect(world.upstream.seen).toEqual([])
    },
  )

  test.each([
    ['metadata', '/fx-one', true],
    ['a tarball', '/fx-one/-/fx-one-1.0.0.tgz', true],
    ['what is passed through', '/-/v1/search?text=fx', false],
    ['an error', '/fx-none', false],
    ['a path that is none', '/a/../b', false],
    ['its own state', '/-/catalog/status', false],
    ['metrics', '/-/catalog/metrics', false],
  ])('tells a browser with %s what it may not do with it', async (_what, path, hasEtag) => {
    await using world = await gatewayWorld({ packages })
    const { headers } = await world.get(path)
    expect(headers).toMatchObject(SECURITY_HEADERS)
    expect(headers.etag !== undefined).toBe(hasEtag)
    if (headers.etag === undefined) return
    const known = await world.get(path, { 'if-none-match': headers.etag })
    expect(known).toMatchObject({ status: 304, headers: SECURITY_HEADERS })
  })
})
