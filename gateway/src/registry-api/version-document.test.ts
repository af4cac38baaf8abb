import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { parseTarget } from '../http/request-target.ts'
import { parseVersionCall } from './version-document.ts'

const one = makePackage('fx-one', '1.0.0')
const scoped = makePackage('@fx/scoped', '2.0.0')
const NPM = 'npm/11.21.2 node/v20.20.2 linux x64 workspaces/false'

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({
    packages: [one, scoped],
    npmrc: { '//{host}/:_authToken': 'of-the-daemon' },
  })
  // Tags; the fixture answers for versions.
  world.upstream.otherwise = ({ url }, res) => {
    const name = url.startsWith('/fx-one/') ? 'fx-one' : '@fx/scoped'
    const { versions } = world.upstream.document(name)
    const found = Object.values(versions)[0]
    res.writeHead(200, { 'content-type': 'application/json', etag: '"upstream"' })
    res.end(JSON.stringify(found))
  }
  world.upstream.wall(/./, ['Bearer of-the-daemon', 'Bearer of-the-client'])
})
afterEach(() => world[Symbol.asyncDispose]())

interface VersionBody {
  readonly version: string
  readonly dist: { readonly tarball?: string }
}

async function tarballAt(path: string, agent: string): Promise<string | undefined> {
  const got = await world.http.get(path).set('user-agent', agent)
  expect(got.status).toBe(200)
  expect(got.headers.etag).toBeUndefined()
  return (got.body as VersionBody).dist.tarball
}

describe("a version's own document", () => {
  test.each(['/fx-one/1.0.0', '/fx-one/latest', '/fx-one/next-1.x'])(
    '%s names a tarball that is to be had here',
    async (path) => {
      const tarball = await tarballAt(path, 'corepack/0.34.0')
      expect(tarball).toBe(`${world.url}/fx-one/-/fx-one-1.0.0.tgz`)
      expect(await tarballAt(path, 'Bun/1.4.5')).toBeUndefined()
      expect(await tarballAt(path, NPM)).toBe(tarball)
      expect((await world.get(new URL(tarball ?? '').pathname)).body.equals(one.tarball)).toBe(true)
    },
  )

  test.each(['/@fx/scoped/2.0.0', '/@fx%2fscoped/latest'])('of a scope: %s', async (path) => {
    const tarball = await tarballAt(path, 'corepack/0.34.0')
    expect(tarball).toBe(`${world.url}/@fx/scoped/-/scoped-2.0.0.tgz`)
  })

  test('is asked for at the gateway by HEAD as well', async () => {
    const got = await world.http.head('/fx-one/latest')
    expect(got.status).toBe(200)
  })

  test('is all that the credentials of the daemon get for a name and a word', async () => {
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(200, { 'content-type': 'application/json' }).end('{"user":"secret"}')
    const got = await world.http.get('/admin/users')
    expect(got.status).toBe(422)
    expect(got.text).not.toContain('secret')
    world.upstream.otherwise = (_request, res) => void res.writeHead(200).end('secret')
    expect((await world.http.get('/admin/users')).status).toBe(422)
    const own = await world.http.get('/admin/users').set('authorization', 'Bearer of-the-client')
    expect(own.status).toBe(200)
  })
})

test.each([
  ['GET', '/n/1.0.0', { name: 'n', spec: '1.0.0' }],
  ['GET', '/n/latest?x=1', { name: 'n', spec: 'latest' }],
  ['HEAD', '/@s%2fn/latest', { name: '@s/n', spec: 'latest' }],
  ['GET', '/@s/n/1.0.0-rc.1+b', { name: '@s/n', spec: '1.0.0-rc.1+b' }],
  ['GET', '/n', undefined],
  ['GET', '/@s/n', undefined],
  ['GET', '/n/a/b', undefined],
  ['GET', '/n/n-1.0.0.tgz', undefined],
  ['GET', '/n/1.0.0.tgz', undefined],
  ['GET', '/n/-rev', undefined],
  ['GET', '/-/whoami', undefined],
  ['PUT', '/n/latest', undefined],
] as const)('%s %s', (method, url, expected) => {
  expect(parseVersionCall(parseTarget(method, url))).toEqual(expected)
})
