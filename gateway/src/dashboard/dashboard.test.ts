/** The dashboard over HTTP: what each address answers, to whom, and what is in it. The page itself is tried in test/e2e. */
import { get, type IncomingMessage } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import type { Snapshot } from './snapshot.ts'

const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8'
const a = makePackage('a', '1.0.0')

let world: GatewayWorld

beforeEach(async () => {
  world = await gatewayWorld({ packages: [a] })
})
afterEach(() => world[Symbol.asyncDispose]())

test("the gateway's own address leads a browser to the page, and programs to the registry", async () => {
  const page = await world.http.get('/').set('accept', HTML)
  expect(page.status).toBe(302)
  expect(page.headers.location).toBe(`${world.url}/-/catalog/ui`)
  const program = await world.http.get('/').set('accept', 'application/json, */*')
  expect(program.headers.location).toBeUndefined()
  expect(world.upstream.seen.map(({ url }) => url)).toEqual(['/'])
})

test('every file that the page names is there, and nothing else is', async () => {
  const page = await world.http.get('/-/catalog/ui')
  expect(page.headers['content-type']).toMatch(/^text\/html/)
  const named = [...page.text.matchAll(/(?:src|href|":)="?(?:\.\/)?(ui\/[^"]+)"/g)]
  const mapped = [...page.text.matchAll(/"\.\/(ui\/[^"]+)"/g)]
  const paths = [...named, ...mapped].map(([, path]) => `/-/catalog/${path}`)
  expect(paths.length).toBeGreaterThan(6)
  for (const path of paths) {
    const { status, headers } = await world.get(path)
    expect([path, status, headers['content-type']]).toEqual([
      ...[path, 200],
      expect.stringMatching(/^text\/(javascript|css)/),
    ])
  }
  expect((await world.get('/-/catalog/ui/snapshot.ts')).status).toBe(404)
  expect((await world.get('/-/catalog/ui/..%2fsections.ts')).status).toBe(404)
  expect(world.upstream.seen).toEqual([])
})

test('the page may load what is here and run what it was written with', async () => {
  const page = await world.http.get('/-/catalog/ui')
  const policy = page.headers['content-security-policy'] ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toContain('unsafe')
  const again = await world.http.get('/-/catalog/ui').set('if-none-match', page.headers.etag ?? '')
  expect(again.status).toBe(304)
  expect(again.headers['content-security-policy']).toBe(policy)
  expect((await world.http.get('/-/catalog/ui/')).headers.location).toBe(
    `${world.url}/-/catalog/ui`,
  )
})

test('events tell the state at once, and what changes afterwards', async () => {
  await using events = await listen(world)
  const first = await events.next('totals')
  expect(first).toMatchObject({ viewer: 'neighbour', tarballs: { origin: { artifacts: 0 } } })
  await world.get('/a/-/a-1.0.0.tgz')
  expect(await events.next('totals')).toMatchObject({
    tarballs: { origin: { artifacts: 1, bytes: a.tarball.byteLength } },
  })
})

test('a page that looks on does not keep the gateway from stopping, and only so many may', async () => {
  await using owner = await listen(world, { 'x-catalog-token': TOKEN })
  expect(await owner.next('totals')).toMatchObject({ viewer: 'owner' })
  expect(world.gateway.stats().activeRequests).toBe(0)
  const others = await Promise.all(Array.from({ length: 23 }, () => listen(world)))
  expect((await world.get('/-/catalog/events')).status).toBe(503)
  await world.gateway.stop()
  await Promise.all([owner, ...others].map(({ ended }) => ended))
})

test('the waterfall names private packages to the holder of the token only', async () => {
  await world.restart({ privateScopes: ['@corp'] })
  await world.get('/a/-/a-1.0.0.tgz')
  await world.get('/@corp%2fsecret/-/secret-1.0.0.tgz')
  await world.get('/@corp%2fsecret')
  await using neighbour = await listen(world)
  await using owner = await listen(world, { 'x-catalog-token': TOKEN })
  const names = (section: Snapshot['install']): (string | null)[] =>
    (section?.rows ?? []).map(({ name }) => name)
  expect(names(await neighbour.next('install'))).toEqual(['a', null, null])
  expect(names(await owner.next('install'))).toEqual(['a', '@corp/secret', '@corp/secret'])
  const explained = async (headers: Record<string, string>): Promise<string> =>
    (await world.get('/-/catalog/explain', headers)).body.toString()
  expect(await explained({ 'x-catalog-token': TOKEN })).toContain('@corp/secret')
  expect(await explained({})).not.toContain('secret')
  expect(await explained({})).toContain('"name":"a"')
})

interface Events extends AsyncDisposable {
  /** The next event of that name. */
  next<Name extends keyof Snapshot>(name: Name): Promise<Snapshot[Name]>
  readonly ended: Promise<void>
}

async function listen(to: GatewayWorld, headers: Record<string, string> = {}): Promise<Events> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = get(`${to.url}/-/catalog/events`, { headers, agent: false }, resolve)
  request.once('error', reject)
  const response = await promise
  expect(response.headers['content-type']).toMatch(/^text\/event-stream/)
  const events = new Map<string, unknown[]>()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let rest = ''
  response.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, name = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
      events.set(name, [...(events.get(name) ?? []), JSON.parse(data)])
    }
  })
  response.once('close', end)
  return {
    ended,
    async next(name) {
      await expect.poll(() => events.get(name)?.length ?? 0).toBeGreaterThan(0)
      return events.get(name)?.shift() as Snapshot[typeof name]
    },
    async [Symbol.asyncDispose]() {
      request.destroy()
      await ended
    },
  }
}
