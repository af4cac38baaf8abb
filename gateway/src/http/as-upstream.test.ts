/** The registry at its second place, as npm asks it behind a company's registry. */
import { afterEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { AS_UPSTREAM } from './as-upstream.ts'

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

const one = makePackage('fx-one', '1.0.0')
/** Called like the folder that the company's registry is in. */
const npm = makePackage('npm', '1.0.0')
const NPM = { 'user-agent': 'npm/11.21.2 node/v24 linux x64 workspaces/false' }

test.each(['/', '/npm/'])(
  'metadata shows upstream’s own URLs, and their paths lead here: %s',
  async (prefix) => {
    world = await gatewayWorld({ packages: [one, npm], registry: { prefix } })
    for (const each of [one, npm]) {
      const got = await world.get(`${AS_UPSTREAM}/${each.name}`, NPM)
      const packument = JSON.parse(got.body.toString()) as {
        versions: Record<string, { dist: { tarball: string } }>
      }
      const tarball = packument.versions['1.0.0']?.dist.tarball ?? ''
      expect(tarball).toBe(`${world.upstream.url}${each.name}/-/${each.name}-1.0.0.tgz`)
      // What npm makes of it: its own registry's host and path, then the path of this URL.
      const { pathname } = new URL(tarball)
      expect(await world.get(`${AS_UPSTREAM}${pathname}`, NPM)).toMatchObject({
        status: 200,
        body: each.tarball,
      })
    }
  },
)

test('everything else is there as well', async () => {
  world = await gatewayWorld({ packages: [one], registry: { prefix: '/npm/' } })
  const bulk = await world.http
    .post(`${AS_UPSTREAM}/-/npm/v1/security/advisories/bulk`)
    .send({ 'fx-one': ['1.0.0'] })
  expect(world.upstream.seen.at(-1)?.url).toBe('/npm/-/npm/v1/security/advisories/bulk')
  expect(bulk.status).toBe(404) // of this upstream
  expect((await world.get('/fx-one', NPM)).body.toString()).toContain(`${world.url}/fx-one/-/`)
})
