/** A client's token is shown to the one registry that it belongs to: never to another one that only the daemon knows of. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { freePort } from '../../../test/support/machines/free-port.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { startUpstream, type FaultyUpstream } from '../../../test/support/registries/upstream.ts'

const CLIENTS = 'Bearer token-of-the-main-registry'
const CORPS = 'Bearer token-of-corp'
const PLACE = '/-/catalog/scope/@corp'
const tarball = '/@corp/lib/-/lib-1.0.0.tgz'
const lib = makePackage('@corp/lib', '1.0.0')

let world: GatewayWorld
let corp: FaultyUpstream

async function start(npmrc: Readonly<Record<string, string>> = {}): Promise<void> {
  const packages = [makePackage('fx-mine', '1.0.0')]
  world = await gatewayWorld({ packages, npmrc: { '@corp:registry': corp.url, ...npmrc } })
}
const corpToken = (): Record<string, string> => ({
  [`//${new URL(corp.url).host}/npm/:_authToken`]: 'token-of-corp',
})
const shown = (to: FaultyUpstream): (string | undefined)[] => [
  ...new Set(to.seen.map(({ headers }) => headers.authorization)),
]
/** Reads, looks, writes and asks who it is, all about the scope. */
async function everything(authorization: string, place = ''): Promise<void> {
  const auth = { authorization }
  const { http } = world
  await http.get(`${place}/@corp%2flib`).set(auth)
  await http.get(place + tarball).set(auth)
  await http.get(`${place}/@corp%2flib?write=true`).set(auth)
  await http.get(`${place}/-/package/@corp%2flib/dist-tags`).set(auth)
  await http.put(`${place}/@corp%2flib`).set(auth).send({})
  await http.get(`${place}/-/team/corp/developers/user`).set(auth)
}

beforeEach(async () => {
  corp = await startUpstream([lib], { prefix: '/npm/' })
  corp.wall(/@corp/, [CORPS])
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await corp[Symbol.asyncDispose]()
})

describe('a scope whose registry only the daemon knows', () => {
  test('never hears the token that the client has for the registry behind the gateway', async () => {
    await start()
    await everything(CLIENTS)
    expect(corp.seen.length).toBeGreaterThanOrEqual(6)
    expect(shown(corp)).toEqual([undefined])
    await world.http.get('/-/whoami').set({ authorization: CLIENTS })
    expect(shown(world.upstream)).toEqual([CLIENTS])
  })

  test("gets the daemon's own for reading, and none for writing", async () => {
    await start(corpToken())
    const got = await world.get(tarball, { authorization: CLIENTS })
    expect(got.body.equals(lib.tarball)).toBe(true)
    await world.http.put('/@corp%2flib').set({ authorization: CLIENTS }).send({})
    expect(corp.seen.at(-1)?.headers.authorization).toBeUndefined()
    expect(shown(corp)).not.toContain(CLIENTS)
  })

  test("gets the client's where it is the very one that the daemon has for it, and nobody else does", async () => {
    await start(corpToken())
    await everything(CORPS)
    const written = corp.seen.find(({ method }) => method === 'PUT')
    expect(written?.headers.authorization).toBe(CORPS)
    await world.http.get('/-/whoami').set({ authorization: CORPS })
    await world.http.put('/fx-mine').set({ authorization: CORPS }).send({})
    expect(world.upstream.seen).toHaveLength(2)
    expect(shown(world.upstream)).toEqual([undefined])
  })
})

describe("a scope's own place at the gateway", () => {
  test("takes tokens for that scope's registry, and shows them to it alone", async () => {
    await start()
    corp.otherwise = (_request, res) => void res.writeHead(201).end('{}')
    await everything(CORPS, PLACE)
    const read = await world.get(PLACE + tarball, { authorization: CORPS })
    expect(read.body.equals(lib.tarball)).toBe(true)
    for (const call of ['/-/whoami', '/-/ping', '/-/npm/v1/keys', '/-/npm/v1/user']) {
      await world.http.get(PLACE + call).set({ authorization: CORPS })
    }
    await world.http.put(`${PLACE}/-/user/org.couchdb.user:me`).send({})
    const written = corp.seen.find(({ method }) => method === 'PUT')
    expect(written?.headers.authorization).toBe(CORPS)
    expect(corp.seen.map(({ url }) => url)).toEqual(
      expect.arrayContaining(['/npm/-/whoami', '/npm/-/ping', '/npm/-/npm/v1/keys']),
    )
    expect(world.upstream.seen).toEqual([])
  })

  test('names itself in tarball URLs, so that clients come back to it', async () => {
    await start()
    const { body } = await world.http.get(`${PLACE}/@corp%2flib`).set({ authorization: CORPS })
    const { dist } = (body as { versions: Record<string, { dist: { tarball: string } }> }).versions[
      '1.0.0'
    ] ?? { dist: { tarball: '' } }
    expect(dist.tarball).toBe(world.url + PLACE + tarball)
  })

  test.each(['/fx-mine', '/fx-mine/-/fx-mine-1.0.0.tgz', '/@other%2flib', '/-/team/other/x/user'])(
    'has nothing else: %s',
    async (path) => {
      await start()
      const got = await world.http.get(PLACE + path).set({ authorization: CORPS })
      expect(got.status).toBe(404)
      expect(got.body.error).toContain('@corp')
      expect(world.upstream.seen).toEqual([])
    },
  )

  test('has nothing, and its tokens are nobody’s, where no registry of the scope is known', async () => {
    world = await gatewayWorld({ packages: [lib] })
    await everything(CORPS, PLACE)
    for (const call of ['/-/whoami', '/-/ping', '/-/npm/v1/keys', '/-/v1/search?text=x']) {
      await world.http.get(PLACE + call).set({ authorization: CORPS })
    }
    const got = await world.http.get(`${PLACE}/@corp%2flib`).set({ authorization: CORPS })
    expect(got.status).toBe(404)
    expect(got.body.error).toContain('no registry of @corp is known to this gateway')
    expect(world.upstream.seen).toEqual([])
  })

  test('that npm login wrote where its registry stood leaves its names unasked, at the root too', async () => {
    const port = await freePort()
    const npmrc = { '@corp:registry': `http://127.0.0.1:${port}${PLACE}/` }
    world = await gatewayWorld({ packages: [lib], npmrc, port })
    await everything(CORPS)
    await everything(CORPS, PLACE)
    for (const path of ['/@corp%2flib', tarball, `${PLACE}/@corp%2flib`, PLACE + tarball]) {
      expect((await world.get(path, { authorization: CORPS })).status).toBe(404)
    }
    expect(world.upstream.seen).toEqual([])
    expect(world.node.asked).toEqual([])
  })

  test('must name a scope', async () => {
    await start()
    for (const scope of ['corp', '@', '@a%2fb', '..']) {
      expect((await world.http.get(`/-/catalog/scope/${scope}/-/whoami`)).status).toBe(404)
    }
    expect(corp.seen).toEqual([])
  })
})
