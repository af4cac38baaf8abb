/** Who changes a package through this gateway sees the change in the next answer, whatever was cached or under way. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { until } from '../../../test/support/until.ts'

const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-one', '2.0.0')
const secret = makePackage('@corp/secret', '1.0.0')
const ALICE = { authorization: 'Bearer alice-token' }

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one, secret] })
  world.upstream.otherwise = (_request, res) => void res.writeHead(201).end('{}')
})
afterEach(() => world[Symbol.asyncDispose]())

async function versions(headers: Record<string, string> = {}): Promise<string[]> {
  const response = await fetch(`${world.url}/fx-one`, { headers })
  const { versions: found = {} } = (await response.json()) as { versions?: object }
  return Object.keys(found)
}

describe('a change is seen at once', () => {
  const short = { accept: 'application/vnd.npm.install-v1+json' }

  test.each([
    ['PUT', '/fx-one'],
    ['PUT', '/fx-one/-rev/7'],
    ['PUT', '/-/package/fx-one/dist-tags/next'],
    ['DELETE', '/-/package/fx-one/dist-tags/next'],
    ['DELETE', '/fx-one/-/fx-one-1.0.0.tgz/-rev/7'],
    ['DELETE', '/fx-one/-rev/7'],
    ['POST', '/-/package/fx-one/access'],
    ['POST', '/-/stage/3f1c/approve'],
  ])('after %s %s, in both forms of the metadata', async (method, path) => {
    expect([await versions(), await versions(short)]).toEqual([['1.0.0'], ['1.0.0']])
    world.upstream.add(two)
    expect(await versions()).toEqual(['1.0.0']) // still young
    expect((await fetch(world.url + path, { method })).status).toBe(201)
    expect(await versions()).toEqual(['1.0.0', '2.0.0'])
    expect(await versions(short)).toEqual(['1.0.0', '2.0.0'])
  })

  test('also when its answer was lost on the way', async () => {
    await versions()
    world.upstream.fault(/^\/fx-one$/, { kind: 'reset' }, 1)
    world.upstream.add(two)
    expect((await world.http.put('/fx-one').send({})).status).toBe(502)
    expect(await versions()).toEqual(['1.0.0', '2.0.0'])
  })

  test('unless upstream fails: then the old copy has to do, without asking again each time', async () => {
    await versions()
    await world.http.put('/fx-one').send({})
    await world.upstream.stop()
    expect(await versions()).toEqual(['1.0.0'])
    const asked = world.gateway.stats().upstreamRequests
    expect(await versions()).toEqual(['1.0.0'])
    expect(world.gateway.stats().upstreamRequests).toBe(asked)
  })

  test('also by who asks while an older answer is under way', async () => {
    await world.restart({ upstreamTimeoutMs: 60_000 })
    const held = Promise.withResolvers<void>()
    world.upstream.fault(/^\/fx-one$/, { kind: 'hold', until: held.promise }, 1)
    const before = versions()
    await until(() => world.upstream.count(/^\/fx-one$/) === 1)
    world.upstream.add(two)
    expect((await world.http.put('/fx-one').send({})).status).toBe(201)
    expect(await versions()).toEqual(['1.0.0', '2.0.0']) // without waiting for the first one
    held.resolve()
    await before
  })

  test('an answer from before the change is not kept as if it were young', async () => {
    const held = Promise.withResolvers<void>()
    world.upstream.fault(/^\/fx-one$/, { kind: 'hold', until: held.promise }, 1)
    const before = versions()
    await until(() => world.upstream.count(/^\/fx-one$/) === 1)
    await world.http.put('/fx-one').send({})
    held.resolve()
    await before
    world.upstream.add(two)
    expect(await versions()).toEqual(['1.0.0', '2.0.0'])
  })

  test('a read changes nothing', async () => {
    await versions()
    await world.http.get('/fx-one?write=true')
    await world.http.get('/-/package/fx-one/collaborators')
    world.upstream.forget()
    await versions()
    expect(world.upstream.seen).toEqual([])
  })
})

describe('a change that a program of this machine tells of', () => {
  const short = { accept: 'application/vnd.npm.install-v1+json' }
  const mark = { 'x-catalog-client': 'a-test', 'content-type': 'application/json' }
  const tell = (body: unknown, headers: Record<string, string> = mark): Promise<Response> =>
    fetch(`${world.url}/-/catalog/changed`, {
      ...{ method: 'POST', headers, body: JSON.stringify(body) },
    })

  test.each([{ names: ['fx-one'] }, { names: [], unnamed: true }])(
    'is seen at once, in both forms of the metadata: %j',
    async (body) => {
      expect([await versions(), await versions(short)]).toEqual([['1.0.0'], ['1.0.0']])
      world.upstream.add(two)
      world.upstream.forget()
      expect((await tell(body)).status).toBe(202)
      expect(world.upstream.seen).toEqual([]) // nobody has asked for it yet
      expect([await versions(), await versions(short)]).toEqual(
        Array.from({ length: 2 }, () => ['1.0.0', '2.0.0']),
      )
    },
  )

  test('is asked for anew too where only the bytes of its versions are known', async () => {
    const path = '/fx-one/-/fx-one-1.0.0.tgz'
    const again = makePackage('fx-one', '1.0.0', { description: 'published once more' })
    await world.get(path, { 'pacote-integrity': one.integrity })
    world.upstream.add(again)
    await tell({ names: ['fx-one'] })
    expect((await world.get(path)).body.equals(again.tarball)).toBe(true)
  })

  test('of another package is none of this one', async () => {
    await versions()
    world.upstream.add(two)
    await tell({ names: ['fx-other'] })
    expect(await versions()).toEqual(['1.0.0'])
  })

  test('is not taken from web pages, nor in any other form', async () => {
    await versions()
    world.upstream.add(two)
    const body = { names: ['fx-one'] }
    expect((await tell(body, { 'content-type': 'application/json' })).status).toBe(403)
    expect((await tell(body, { ...mark, 'content-type': 'text/plain' })).status).toBe(415)
    expect((await tell(body, { ...mark, origin: 'https://evil.invalid' })).status).toBe(403)
    expect((await tell({ names: ['../up'] })).status).toBe(400)
    expect((await tell({ names: Array(1001).fill('a') })).status).toBe(400)
    expect((await world.http.get('/-/catalog/changed')).status).toBe(405)
    expect(await versions()).toEqual(['1.0.0'])
  })
})

describe('what was published here', () => {
  const path = '/@corp/secret/-/secret-1.0.0.tgz'
  const digest = parseDigest(secret.integrity)
  const publish = () =>
    fetch(`${world.url}/@corp%2fsecret`, {
      method: 'PUT',
      headers: { ...ALICE, 'content-type': 'application/json' },
      body: JSON.stringify({ _attachments: { x: { data: secret.tarball.toString('base64') } } }),
    })

  test('is not kept, nor offered to anyone, by publishing it', async () => {
    expect((await publish()).status).toBe(201)
    expect(world.node.entry(digest)).toBeUndefined()
    expect(world.node.asked).toEqual([])
  })

  test('stays private while upstream shows it to its owner only', async () => {
    world.upstream.wall(/@corp/, [ALICE.authorization])
    await publish()
    expect((await world.get(path, ALICE)).status).toBe(200)
    expect(world.node.entry(digest)?.visibility).toBe('private')
    expect(world.node.asked.every(({ peers }) => !peers)).toBe(true)
    expect((await world.get(path)).status).toBe(404)
  })

  test('is public once upstream gives it to anyone', async () => {
    await publish()
    expect((await world.get(path, ALICE)).status).toBe(200)
    expect(world.node.entry(digest)?.visibility).toBe('public')
  })
})

describe('a package that its owner makes private', () => {
  const path = '/@corp/secret/-/secret-1.0.0.tgz'
  const byDigest = { ...ALICE, 'pacote-integrity': secret.integrity }

  test('is asked of peers no more, from the very next request', async () => {
    await world.http.get('/@corp%2fsecret').set(ALICE) // anyone may see it
    world.upstream.wall(/@corp/, [ALICE.authorization])
    const access = `${world.url}/-/package/@corp%2fsecret/access`
    await fetch(access, { method: 'POST', headers: ALICE, body: '{"access":"restricted"}' })
    expect((await world.get(path, byDigest)).status).toBe(200)
    expect(world.node.asked.some(({ peers }) => peers)).toBe(false)
    expect(world.node.entry(parseDigest(secret.integrity))?.visibility).toBe('private')
  })

  test('also when it was known to be public by its packages alone', async () => {
    const next = makePackage('@corp/secret', '1.1.0')
    world.upstream.add(next)
    await world.get(path, byDigest) // one look, and no metadata
    world.upstream.wall(/@corp/, [ALICE.authorization])
    const access = `${world.url}/-/package/@corp%2fsecret/access`
    await fetch(access, { method: 'POST', headers: ALICE, body: '{"access":"restricted"}' })
    const file = '/@corp/secret/-/secret-1.1.0.tgz'
    const got = await world.get(file, { ...ALICE, 'pacote-integrity': next.integrity })
    expect(got.status).toBe(200)
    const asked = world.node.asked.filter((one) => one.digest === parseDigest(next.integrity))
    expect(asked.map(({ peers }) => peers)).toEqual([false])
  })

  test('an unpublished one is not served from what was known of it', async () => {
    await world.http.get('/@corp%2fsecret')
    await fetch(`${world.url}/@corp%2fsecret/-rev/7`, { method: 'DELETE', headers: ALICE })
    await world.upstream.stop()
    expect((await world.http.get('/@corp%2fsecret')).status).toBe(502)
  })
})

test('secrets in the paths of calls are in no log line', async () => {
  await world[Symbol.asyncDispose]()
  world = await gatewayWorld({ packages: [] })
  const paths = [
    ['DELETE', '/-/user/token/npm_verysecret'],
    ['DELETE', '/-/npm/v1/tokens/token/verysecret'],
    ['GET', '/-/v1/done?sessionId=verysecret'],
    ['GET', '/-/v1/login_cli/verysecret'],
  ]
  for (const [method = '', path = ''] of paths) await fetch(world.url + path, { method })
  await world.upstream.stop()
  for (const [method = '', path = ''] of paths) await fetch(world.url + path, { method })
  expect(world.logged.length).toBeGreaterThanOrEqual(paths.length * 2)
  expect(world.logged.filter((line) => line.includes('verysecret'))).toEqual([])
})
