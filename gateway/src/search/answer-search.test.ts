/** Searches over HTTP, of a gateway whose registry comes and goes; what peers add is tried in test/names/search.test.ts. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

let world: GatewayWorld
beforeEach(async () => {
  const packages = [makePackage('fx-one', '1.0.0'), makePackage('@fx/two', '2.0.0')]
  world = await gatewayWorld({ packages, maxAgeMs: 0 })
})
afterEach(() => world[Symbol.asyncDispose]())

async function search(text: string): Promise<string[]> {
  const { status, body } = await world.get(`/-/v1/search?text=${encodeURIComponent(text)}`)
  expect(status).toBe(200)
  const { objects } = JSON.parse(body.toString()) as { objects: { package: { name: string } }[] }
  return objects.map((each) => each.package.name)
}

async function seeAll(): Promise<void> {
  for (const path of ['/fx-one', '/@fx%2ftwo']) expect((await world.get(path)).status).toBe(200)
}

test('what was seen is found without a registry, and after a restart', async () => {
  await seeAll()
  await world.upstream.stop()
  expect((await search('fx')).toSorted()).toEqual(['@fx/two', 'fx-one'])
  await world.restart()
  expect(await search('@fx/two')).toEqual(['@fx/two'])
  await world.restart({ upstream: null })
  expect(await search('fixture one')).toEqual(['fx-one'])
  expect(await search('')).toEqual([])
})

test('what the registry has taken back, or is called private since, is not found', async () => {
  await seeAll()
  world.upstream.fault(/^\/fx-one/, { kind: 'status', status: 404 })
  expect((await world.get('/fx-one')).status).toBe(404)
  await world.upstream.stop()
  expect(await search('fx')).toEqual(['@fx/two'])
  await world.restart({ privateScopes: ['@fx'] })
  expect(await search('fx')).toEqual([])
})

test('what needs credentials is not found', async () => {
  world.upstream.wall(/two/, ['Bearer mine'])
  const headers = { authorization: 'Bearer mine' }
  expect((await world.get('/@fx%2ftwo', headers)).status).toBe(200)
  await world.upstream.stop()
  for (const text of ['two', '@fx/two']) expect(await search(text)).toEqual([])
})

test('the registry that answers is passed on as it is, failures too', async () => {
  await seeAll()
  const body = '{"objects":[],"total":0,"of":"the registry"}'
  world.upstream.otherwise = (_, response) => void response.end(body)
  expect((await world.get('/-/v1/search?text=fx')).body.toString()).toBe(body)
  world.upstream.fault(/search/, { kind: 'status', status: 400, body: '{"error":"too short"}' })
  const refused = await world.get('/-/v1/search?text=f')
  expect([refused.status, refused.body.toString()]).toEqual([400, '{"error":"too short"}'])
  expect(refused.headers).not.toHaveProperty('x-catalog-search')
})

test('only reading is a search', async () => {
  await world.upstream.stop()
  expect((await world.http.head('/-/v1/search?text=x')).status).toBe(200)
  expect((await world.http.post('/-/v1/search?text=x').send({})).status).toBe(502)
  expect((await world.http.post('/-/catalog/search?text=x').send({})).status).toBe(405)
})
