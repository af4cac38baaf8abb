/** What a request is for, and the registry's second mount as npm asks it behind a company's registry. */
import { describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { parseTarget, UPSTREAM_VIEW, withoutRegistryPath } from './request-target.ts'

const one = makePackage('fx-one', '1.0.0')
/** Called like the folder that the company's registry is in. */
const npm = makePackage('npm', '1.0.0')
const NPM = { 'user-agent': 'npm/11.21.2 node/v24 linux x64 workspaces/false' }

test.each(['/', '/npm/'])(
  'metadata shows upstream’s own URLs, and their paths lead here: %s',
  async (prefix) => {
    await using world = await gatewayWorld({ packages: [one, npm], registry: { prefix } })
    for (const each of [one, npm]) {
      const got = await world.get(`${UPSTREAM_VIEW}/${each.name}`, NPM)
      const packument = JSON.parse(got.body.toString()) as {
        versions: Record<string, { dist: { tarball: string } }>
      }
      const tarball = packument.versions['1.0.0']?.dist.tarball ?? ''
      expect(tarball).toBe(`${world.upstream.url}${each.name}/-/${each.name}-1.0.0.tgz`)
      // What npm makes of it: its own registry's host and path, then the path of this URL.
      const { pathname } = new URL(tarball)
      expect(await world.get(`${UPSTREAM_VIEW}${pathname}`, NPM)).toMatchObject({
        status: 200,
        body: each.tarball,
      })
    }
  },
)

test('everything else is there as well', async () => {
  await using world = await gatewayWorld({ packages: [one], registry: { prefix: '/npm/' } })
  const bulk = await world.http
    .post(`${UPSTREAM_VIEW}/-/npm/v1/security/advisories/bulk`)
    .send({ 'fx-one': ['1.0.0'] })
  expect(world.upstream.seen.at(-1)?.url).toBe('/npm/-/npm/v1/security/advisories/bulk')
  expect(bulk.status).toBe(404) // of this upstream
  expect((await world.get('/fx-one', NPM)).body.toString()).toContain(`${world.url}/fx-one/-/`)
})

describe('a target', () => {
  test.each([
    ['/x', { mount: '', view: 'gateway', scope: undefined, path: '/x' }],
    [`${UPSTREAM_VIEW}/x?a`, { mount: UPSTREAM_VIEW, view: 'upstream', path: '/x?a' }],
    [`${UPSTREAM_VIEW}?a`, { mount: UPSTREAM_VIEW, view: 'upstream', path: '/?a' }],
    [UPSTREAM_VIEW, { mount: UPSTREAM_VIEW, view: 'upstream', path: '/' }],
    [`${UPSTREAM_VIEW}x/y`, { mount: '', view: 'gateway' }],
    [
      '/-/catalog/scope/@corp/@corp%2fx',
      { mount: '/-/catalog/scope/@corp', isUsualMount: true, scope: '@corp', path: '/@corp%2fx' },
    ],
    [
      '/-/catalog/scope/%40Corp',
      { mount: '/-/catalog/scope/%40Corp', isUsualMount: false, scope: '@corp', path: '/' },
    ],
  ])('of %s', (url, expected) => {
    expect(parseTarget('GET', url)).toMatchObject(expected)
  })

  const UNPUBLISH = '/api/npm/@corp/x/-/x-1.0.0.tgz/-rev/1-a'
  const at = (registry: string) => () => ({ url: registry })

  test('loses the path of the registry that it begins with, and is itself as it was', () => {
    const target = parseTarget('DELETE', UNPUBLISH)
    const right = withoutRegistryPath(target, at('https://r.invalid/api/npm/'))
    expect(right.path).toBe('/@corp/x/-/x-1.0.0.tgz/-rev/1-a')
    expect(right.route).toEqual({ route: 'passthrough', name: '@corp/x' })
    expect(target.path).toBe(UNPUBLISH)
  })

  test.each(['https://r.invalid/', 'https://r.invalid/api/', 'https://r.invalid/other/npm/'])(
    'keeps a path that is not that of %s',
    (registry) => {
      expect(withoutRegistryPath(parseTarget('DELETE', UNPUBLISH), at(registry)).path).toBe(
        UNPUBLISH,
      )
    },
  )
})
