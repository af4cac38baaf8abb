/** Tarballs somewhere else than a client derives: what each client is told, so that its lockfile works without us too. */
import { expect, test } from 'vitest'
import { makePackage } from '../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../test/support/gateway-world.ts'

const CDN = 'https://cdn.invalid/files'
const THEIRS = `${CDN}/fx-one/-/fx-one-1.0.0.tgz`
const OURS = '/fx-one/-/fx-one-1.0.0.tgz'
const AGENTS = {
  npm: 'npm/11.21.2 node/v20.20.2 linux x64 workspaces/false',
  pnpm: 'pnpm/12.21.0 npm/? node/? linux x64',
  yarn: 'got (https://github.com/sindresorhus/got)',
  yarn1: 'yarn/1.22.22 npm/? node/v20.20.2 linux x64',
  bun: 'Bun/1.4.5',
  deno: 'Deno/2.9.6',
}

/** What each is told, by client; both forms of the document, the second time from the cache. */
async function told(world: GatewayWorld, headers: Record<string, string> = {}) {
  const found: Record<string, string | undefined> = {}
  for (const [client, agent] of Object.entries(AGENTS)) {
    const urls = new Set<string | undefined>()
    for (const accept of ['application/json', 'application/vnd.npm.install-v1+json', '*/*']) {
      const { body } = await world.http
        .get('/fx-one')
        .set({ ...headers, accept, 'user-agent': agent })
        .buffer()
        .parse((res, done) => {
          let text = ''
          res.setEncoding('utf8')
          res.on('data', (chunk: string) => (text += chunk))
          res.on('end', () => done(null, JSON.parse(text)))
        })
      const { versions } = body as { versions: Record<string, { dist: { tarball?: string } }> }
      urls.add(versions['1.0.0']?.dist.tarball?.replace(world.url, ''))
    }
    expect(urls.size).toBe(1)
    found[client] = [...urls][0]
  }
  return found
}

test('who notes such a URL is told it, the others are told ours', async () => {
  await using world = await gatewayWorld({
    packages: [makePackage('fx-one', '1.0.0')],
    registry: { tarballBase: CDN },
  })
  const expected = { npm: OURS, pnpm: THEIRS, yarn: THEIRS, yarn1: OURS, bun: THEIRS, deno: OURS }
  expect(await told(world)).toEqual(expected)
  await world.restart()
  expect(await told(world)).toEqual(expected)
})

test("one where it is usual is ours, whatever the registry's path", async () => {
  await using world = await gatewayWorld({
    packages: [makePackage('fx-one', '1.0.0')],
    registry: { prefix: '/api/npm/' },
  })
  const { bun, ...others } = await told(world)
  expect(bun).toBeUndefined()
  expect(new Set(Object.values(others))).toEqual(new Set([OURS]))
})

test('what needs credentials: only pnpm shows them anywhere else than at its registry', async () => {
  await using world = await gatewayWorld({
    packages: [makePackage('fx-one', '1.0.0')],
    registry: { tarballBase: CDN },
    publicRegistries: [],
  })
  world.upstream.wall(/fx-one/, ['Bearer mine'])
  expect(await told(world, { authorization: 'Bearer mine' })).toEqual({
    ...{ npm: OURS, pnpm: THEIRS, yarn: OURS, yarn1: OURS, bun: undefined, deno: OURS },
  })
})
