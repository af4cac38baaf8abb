/** A token for build results is good for as long as the one who asked for it is there, and no longer. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { holdBuildToken } from './hold-build-token.ts'

const LASTING = 'the token that stays good'

let world: GatewayWorld
beforeAll(async () => {
  world = await gatewayWorld({ buildResults: 'write', buildToken: LASTING })
})
afterAll(() => world[Symbol.asyncDispose]())

const hold = (token = TOKEN) => holdBuildToken({ url: `${world.url}/`, token })

async function put(task: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' }
  const at = `${world.url}/-/catalog/builds/acme/v1/cache/${task}`
  return (await fetch(at, { method: 'PUT', body: 'built', headers })).status
}

test('it writes until its command has ended, and another’s goes on', async () => {
  const [one, other] = await Promise.all([hold(), hold()])
  expect([one.token, other.token]).not.toContain(LASTING)
  expect(await put('11', one.token)).toBe(200)
  one.end()
  await expect.poll(() => put('12', one.token)).toBe(401)
  expect(await put('13', other.token)).toBe(200)
  expect(world.gateway.stats().activeRequests).toBe(0)
  other.end()
})

test('it opens nothing else, and is for the owner alone', async () => {
  const { token, end } = await hold()
  await expect(hold(token)).rejects.toThrow('x-catalog-token is missing or wrong')
  await expect(hold(LASTING)).rejects.toThrow('x-catalog-token is missing or wrong')
  end()
})

test('there is a bound, and a gateway that stops takes all of them with it', async () => {
  const held = await Promise.all(Array.from({ length: 64 }, () => hold()))
  await expect(hold()).rejects.toThrow('64 commands')
  held.pop()?.end()
  await expect.poll(() => hold().then(() => 'held', String)).toBe('held')
  await world.restart()
  expect(await put('14', held[0]?.token ?? '')).toBe(401)
  expect(await put('15', LASTING)).toBe(200)
})
