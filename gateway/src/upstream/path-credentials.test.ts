/**
 * Credentials that npm's configuration ties to a path go where npm sends them: to tarballs on other paths of that host, and
 * along redirects within it. Never to another host.
 */
import { afterEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { startUpstream } from '../../../test/support/registries/upstream.ts'

const lib = makePackage('@corp/lib', '1.0.0')
const MINE = 'Bearer of-the-path'
const PREFIX = '/api/packages/npm/'
const FILE = '/api/projects/7/@corp/lib/-/lib-1.0.0.tgz'
const path = '/@corp/lib/-/lib-1.0.0.tgz'
const npmrc = { [`//{host}${PREFIX}:_authToken`]: 'of-the-path' }

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

/** The registry keeps its tarballs beside its path, as GitLab does. */
async function start(options: { location?: string; npmrc?: Record<string, string> } = {}) {
  world = await gatewayWorld({
    ...{ packages: [lib], registry: { prefix: PREFIX }, publicRegistries: [] },
    npmrc: options.npmrc ?? npmrc,
  })
  const { dist } = world.upstream.document(lib.name).versions['1.0.0'] ?? { dist: {} }
  dist.tarball = new URL(FILE, world.upstream.url).href
  world.upstream.otherwise = ({ url, headers }, res) => {
    if (headers.authorization !== MINE) res.writeHead(404).end()
    else if (url === FILE && options.location !== undefined) {
      res.writeHead(302, { location: options.location }).end()
    } else res.writeHead(200).end(lib.tarball)
  }
}

test.each(['the configured ones', "the client's own"])(
  '%s go along to another path',
  async (whose) => {
    const isClients = whose === "the client's own"
    await start(isClients ? { npmrc: {} } : {})
    const headers = isClients ? { authorization: MINE } : undefined
    expect((await world.get(path, headers)).body.equals(lib.tarball)).toBe(true)
  },
)

test('they are kept on a redirect within the host', async () => {
  await start({ location: '/storage/lib.tgz' })
  expect((await world.get(path)).body.equals(lib.tarball)).toBe(true)
})

test('those of the other path come before the registry’s', async () => {
  await start({ npmrc: { ...npmrc, '//{host}/api/projects/:_authToken': 'of-the-projects' } })
  await world.get(path)
  const asked = world.upstream.seen.find(({ url }) => url === FILE)
  expect(asked?.headers.authorization).toBe('Bearer of-the-projects')
})

test('another host sees none of them, neither by URL nor by redirect', async () => {
  const elsewhere = await startUpstream([])
  elsewhere.otherwise = (_request, res) => void res.writeHead(200).end(lib.tarball)
  await start({ location: `${elsewhere.url}lib.tgz` })
  expect((await world.get(path)).body.equals(lib.tarball)).toBe(true)
  const { dist } = world.upstream.document(lib.name).versions['1.0.0'] ?? { dist: {} }
  dist.tarball = `${elsewhere.url}other.tgz`
  world.node.stored.clear()
  await world.restart({ maxAgeMs: 0 })
  await world.http.get('/@corp%2flib')
  expect((await world.get(path)).status).toBe(200)
  expect(elsewhere.seen).toHaveLength(2)
  expect(elsewhere.seen.some(({ headers }) => headers.authorization !== undefined)).toBe(false)
  await elsewhere[Symbol.asyncDispose]()
})
