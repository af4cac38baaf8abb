/** Metadata that is fetched ahead of a client: what the registry is asked for, and what it never is. */
import { afterEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { createWaterfall } from './waterfall.ts'

const packages = [
  makePackage('fx-top', '1.0.0', { dependencies: { 'fx-old': '1' } }),
  makePackage('fx-top', '2.0.0', {
    dependencies: { 'fx-left': '^1.0.0', '@corp/secret': '1', 'fx-gone': '1' },
    optionalDependencies: { 'fx-right': '1' },
  }),
  makePackage('fx-left', '1.0.0', { dependencies: { 'fx-deep': '1' } }),
  makePackage('fx-right', '1.0.0'),
  makePackage('fx-deep', '1.0.0'),
  makePackage('fx-old', '1.0.0'),
  makePackage('@corp/secret', '1.0.0'),
]
const REGISTRY = {
  ...{ url: 'http://registry.invalid/', origin: 'http://registry.invalid' },
  ...{ isPublicDefault: false, isPublic: true },
}
const SCOPE_ELSEWHERE = { '@corp:registry': '{upstream}elsewhere/' }

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

/** Packages that the registry was asked for, each as often as it was. */
function asked(): string[] {
  return world.upstream.seen.map(({ url }) => decodeURIComponent(url).slice(1)).sort()
}

async function ask(name: string, headers: Record<string, string> = {}): Promise<number> {
  return (await world.http.get(`/${name}`).set(headers)).status
}

test('what the latest version depends on is fetched once, and what that depends on', async () => {
  world = await gatewayWorld({ packages, npmrc: SCOPE_ELSEWHERE })
  await ask('fx-top')
  const all = ['fx-deep', 'fx-gone', 'fx-left', 'fx-right', 'fx-top']
  await expect.poll(asked).toEqual(all)
  // It failed ahead of the client: the client hears of it from the registry.
  expect(await ask('fx-gone')).toBe(404)
  expect(await ask('fx-right')).toBe(200)
  expect(await ask('fx-left')).toBe(200)
  expect(await ask('fx-deep')).toBe(200)
  expect(asked()).toEqual([...all, 'fx-gone'].sort())
})

test('when the client has stopped asking, nothing more is begun', async () => {
  world = await gatewayWorld({ packages })
  let nowMs = 0
  const begun: string[] = []
  const held = Promise.withResolvers<void>()
  const waterfall = createWaterfall(
    {
      registries: { forName: () => REGISTRY, isHome: () => true },
      viewer: () => ({ credentials: undefined, owners: [''] }),
      now: () => nowMs,
      async fetch({ name }) {
        begun.push(name)
        if (!name.includes('-')) waterfall.arrived(REGISTRY.url, name, [`${name}-next`])
        await held.promise
      },
    },
    { metadataAhead: true, upstreamSockets: 64 },
  )
  const { signal } = new AbortController()
  const form = { policy: 'self', base: '', isKept: false } as const
  const request = { name: 'a', kind: 'full', client: undefined, form, signal } as const
  waterfall.arrived(REGISTRY.url, 'a', ['b', 'c'])
  await waterfall.follow(request, () => Promise.resolve())
  expect(begun).toEqual(['b', 'c'])
  nowMs = 2_000
  held.resolve()
  await new Promise(setImmediate)
  expect(begun).toEqual(['b', 'c'])
  // It asks again.
  waterfall.arrived(REGISTRY.url, 'd', ['e'])
  await waterfall.follow({ ...request, name: 'd' }, () => Promise.resolve())
  await new Promise(setImmediate)
  expect(begun).toEqual(['b', 'c', 'e', 'e-next'])
})

describe('nothing is fetched ahead', () => {
  test.each([
    ['of who shows credentials', { headers: { authorization: 'Bearer mine' } }],
    ['where nobody may hear of the request', { headers: { 'x-catalog-upstream': 'never' } }],
    ['of who asks the registry itself', { headers: { 'cache-control': 'no-cache' } }],
    ['where this gateway has credentials', { npmrc: { '//{host}/:_authToken': 'ours' } }],
    ['with --no-metadata-ahead', { metadataAhead: false }],
  ])('%s', async (_, { headers, ...options }: Asked) => {
    world = await gatewayWorld({ packages, ...options })
    await ask('fx-top', headers)
    // A second one, answered later, would come behind what the first had led to.
    await ask('fx-old', headers)
    const isAsked = headers?.['x-catalog-upstream'] === undefined
    expect(asked()).toEqual(isAsked ? ['fx-old', 'fx-top'] : [])
  })
})

interface Asked {
  readonly headers?: Record<string, string>
  readonly npmrc?: Record<string, string>
  readonly metadataAhead?: boolean
}
