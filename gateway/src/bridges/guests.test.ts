/**
 * Over a bridge (bridges/) a guest gets what a stranger would get of the registry, and nothing of this machine's user: not his
 * credentials, not what they have brought into the store, nothing that changes anything.
 */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, keyIdFromBytes } from '@catalog-p2p/core'
import { freePort } from '../../../test/support/machines/free-port.ts'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { sharePath } from '../sharing/share-address.ts'

const open = makePackage('left-pad', '1.0.0')
const paid = makePackage('@corp/lib', '1.0.0')
const scoped = makePackage('@acme/tool', '1.0.0')
const shared = makePackage('fx-shared', '1.0.0')
const USERS = 'Bearer users-secret'
const PAID_FILE = '/@corp/lib/-/lib-1.0.0.tgz'

let world: GatewayWorld
let folder: string
let socketPath: string
let port: number

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  /** By default over the socket. */
  readonly at?: 'docker' | 'gateway'
}

function ask(path: string, { method = 'GET', headers = {}, body, at }: Asked = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  const own = at === 'docker' ? port : Number(world.host.split(':')[1])
  const place = at === undefined ? { socketPath } : { host: '127.0.0.1', port: own }
  const req = request({ ...place, path, method, headers, agent: false }, (res) => {
    const chunks: Buffer[] = []
    res.on('data', (chunk: Buffer) => chunks.push(chunk))
    res.once('error', reject)
    res.once('end', () =>
      resolve({ status: res.statusCode ?? 0, body: Buffer.concat(chunks).toString('latin1') }),
    )
  })
  req.once('error', reject)
  req.end(body)
  return promise
}

/** All at once over one connection. */
async function pipeline(paths: readonly string[]): Promise<string> {
  const socket = connect(socketPath)
  const requests = paths.map((path, index) => {
    const end = index === paths.length - 1 ? 'connection: close\r\n' : ''
    return `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${end}\r\n`
  })
  socket.write(requests.join(''))
  return await text(socket)
}

async function refresh(): Promise<readonly { problem: string | null }[]> {
  const { body } = await world.http
    .post('/-/catalog/bridges/refresh')
    .set('x-catalog-token', TOKEN)
    .send({})
    .expect(200)
  return (body as { bridges: { problem: string | null }[] }).bridges
}

async function writeBridges(bridges: readonly object[]): Promise<void> {
  await writeFile(join(folder, 'bridges.json'), JSON.stringify({ bridges }))
}

/** The node finds one version of it, which that publisher has signed. */
function publish(name: string, publisher: ReturnType<typeof keyIdFromBytes>): { asked: string[] } {
  const [asked, digest] = [[] as string[], digestOf(scoped.tarball)]
  const manifest = JSON.stringify({ name, version: '1.0.0', description: 'of the team' })
  const made = { name, publisher, digest, previous: undefined, changedAtMs: 1, sequence: 1 }
  Object.assign(world.node.publications, {
    head: async () => {
      asked.push(name)
      const releases = new Map([['1.0.0', { statement: digest }]])
      return { ...made, releases, tags: new Map([['latest', '1.0.0']]), unpublished: [] }
    },
    release: async () => ({ ...made, version: '1.0.0', size: 1, manifest, publishedAtMs: 1 }),
  })
  return { asked }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-guests-'))
  socketPath = join(folder, 'bridge', 'catalog.sock')
  port = await freePort()
  await writeBridges([
    { kind: 'docker', address: '127.0.0.1', port, hosts: ['host.docker.internal'] },
    ...(process.platform === 'win32' ? [] : [{ kind: 'sandbox', path: socketPath }]),
  ])
  world = await gatewayWorld({
    packages: [open, paid, scoped, shared],
    npmrc: { '//{host}/:_authToken': 'users-secret' },
    ...{ privateScopes: ['@acme'], bridgesPath: join(folder, 'bridges.json') },
    publishToken: 'a token for publishing',
  })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => world.upstream.forget())

describe.skipIf(process.platform === 'win32')('a guest', () => {
  test('gets public packages, for which no credentials go anywhere', async () => {
    expect((await ask('/left-pad')).status).toBe(200)
    const { status, body } = await ask('/left-pad/-/left-pad-1.0.0.tgz')
    expect({ status, body }).toEqual({ status: 200, body: open.tarball.toString('latin1') })
    expect(world.upstream.seen.length).toBeGreaterThan(0)
    for (const { headers } of world.upstream.seen) expect(headers.authorization).toBeUndefined()
  })

  test('and all others of one host cost the registry one copy, though they ask at once', async () => {
    const paths = ['/fx-shared', '/fx-shared/-/fx-shared-1.0.0.tgz']
    const places = [{}, { at: 'docker' }, {}, { at: 'docker' }, {}, {}] as const
    const all = places.map(async (place) => {
      // Metadata first, as clients do.
      for (const path of paths) expect((await ask(path, place)).status).toBe(200)
    })
    await Promise.all(all)
    expect(world.upstream.seen.map(({ url }) => url)).toEqual(paths)
  })

  const registries = [
    ['a public registry', (url: string) => [url]],
    ['one of an organisation', () => []],
  ] as const
  test.each(registries)(
    'does not get what %s gives the user, before nor after he got it',
    async (_, publicRegistries) => {
      await world.restart({ publicRegistries: publicRegistries(world.upstream.url) })
      world.upstream.wall(/@corp/, [USERS])
      const asked = [['/@corp%2flib'], [PAID_FILE], [PAID_FILE, paid.integrity]] as const
      const expectNothing = async (): Promise<void> => {
        for (const [path, hash] of asked) {
          const got = await ask(path, { headers: hash ? { 'pacote-integrity': hash } : {} })
          expect({ path, status: got.status }).toEqual({ path, status: 404 })
        }
      }
      await expectNothing()
      expect((await world.get(PAID_FILE)).body.equals(paid.tarball)).toBe(true)
      expect(world.node.has(digestOf(paid.tarball))).toBe(true)
      await expectNothing()
      world.upstream.fault(/./, { kind: 'status', status: 503 })
      for (const [path] of asked) {
        const { status, body } = await ask(path)
        expect(status).toBeGreaterThanOrEqual(400)
        expect(body).not.toBe(paid.tarball.toString('latin1'))
        expect(body).not.toContain('1.0.0')
      }
      world.upstream.heal()
      expect((await ask('/left-pad/-/left-pad-1.0.0.tgz')).status).toBe(200)
    },
  )

  test('does not get what the user calls private, and nobody is asked for it', async () => {
    for (const path of ['/@acme%2ftool', '/@acme/tool/-/tool-1.0.0.tgz']) {
      expect((await ask(path)).status).toBe(403)
    }
    expect(world.upstream.seen).toEqual([])
  })

  test('changes nothing, and learns nothing of the daemon, whatever tokens it shows', async () => {
    const authorization = 'Bearer a token for publishing'
    const headers = { authorization, 'x-catalog-token': TOKEN, 'content-type': 'application/json' }
    const calls: [string, string][] = [
      ...['status', 'peers', 'metrics', 'events', 'ui', 'explain'].map((each): [string, string] => [
        'GET',
        `/-/catalog/${each}`,
      ]),
      ...['store/prune', 'prefetch', 'share/list', 'bridges/refresh', 'hints', 'publish'].map(
        (each): [string, string] => ['POST', `/-/catalog/${each}`],
      ),
      ...[
        ['PUT', '/left-pad'],
        ['GET', '/-/whoami'],
        ['GET', '/-/v1/search?text=a'],
        ['GET', '/-/catalog/builds/acme/v1/cache/11'],
        ['PUT', '/-/catalog/builds/acme/v8/artifacts/11'],
      ],
      ...[
        ['DELETE', '/left-pad/-rev/1'],
        ['GET', '/'],
        ['PUT', '/-/user/org.couchdb.user:a'],
      ],
    ] as [string, string][]
    for (const [method, path] of calls) {
      const body = ['POST', 'PUT'].includes(method) ? { body: '{}' } : {}
      const { status } = await ask(path, { method, headers, ...body })
      expect({ method, path, status }).toEqual({ method, path, status: 403 })
    }
    expect(world.upstream.seen).toEqual([])
    const health = await ask('/-/catalog/health')
    expect(JSON.parse(health.body)).toEqual({ status: 'ok', id: world.node.id, bridge: true })
  })

  test('names no hash in a private swarm, where what its members share is public', async () => {
    await world.restart({ privateSwarm: true, privateScopes: [], shareScopes: ['@acme'] })
    expect((await world.get('/@acme/tool/-/tool-1.0.0.tgz')).status).toBe(200)
    const digest = digestOf(scoped.tarball)
    expect(world.node.entry(digest)?.visibility).toBe('public')
    const byHash = `/${sharePath({ digest, name: 'left-pad', version: '1.0.0' })}`
    expect((await world.get(byHash)).body.equals(scoped.tarball)).toBe(true)
    expect((await ask(byHash)).status).toBe(403)
    const secret = scoped.tarball.toString('latin1')
    const headers = { 'pacote-integrity': scoped.integrity }
    for (const more of [{}, { 'x-catalog-upstream': 'never' }]) {
      for (const path of ['/left-pad/-/left-pad-1.0.0.tgz', '/other/-/other-1.0.0.tgz']) {
        expect((await ask(path, { headers: { ...headers, ...more } })).body).not.toBe(secret)
        world.upstream.fault(/./, { kind: 'status', status: 503 })
        expect((await ask(path, { headers: { ...headers, ...more } })).body).not.toBe(secret)
        world.upstream.heal()
      }
    }
    const own = { headers: { 'pacote-integrity': open.integrity } }
    expect((await ask('/left-pad/-/left-pad-1.0.0.tgz', own)).status).toBe(200)
  })

  test('gets what trusted publishers give to everybody, and nothing of what they give a private swarm', async () => {
    const trustPath = join(folder, 'trusted-publishers.txt')
    const ann = keyIdFromBytes(new Uint8Array(32).fill(1))
    await writeFile(trustPath, `@team key ${ann}\n`, { mode: 0o600 })
    const { asked } = publish('@team/tool', ann)
    const url = new URL('/api/npm/', world.upstream.url).href
    const behind = '/-/catalog/as-upstream/api/npm'
    const paths = ['', behind].flatMap((mount) => [
      `${mount}/@team%2ftool`,
      `${mount}/@team/tool/-/tool-1.0.0.tgz`,
      `${mount}/-/package/@team%2ftool/dist-tags`,
    ])
    await world.restart({ trustPath })
    expect((await ask('/@team%2ftool')).status).toBe(200)
    await world.restart({ trustPath, privateSwarm: true, upstream: url })
    expect((await world.get('/@team%2ftool')).status).toBe(200)
    asked.length = 0
    for (const path of paths) {
      const { status, body } = await ask(path)
      expect({ path, status }).toEqual({ path, status: 403 })
      expect(body).not.toContain('of the team')
    }
    expect({ asked, seen: world.upstream.seen }).toEqual({ asked: [], seen: [] })
  })

  test('has 128 connections; one more is told to come again', async () => {
    const statusWith = async (): Promise<number> => (await ask('/-/catalog/health')).status
    const crowd = Array.from({ length: 127 }, () => connect(socketPath))
    await Promise.all(crowd.map((socket) => once(socket, 'connect')))
    await expect.poll(statusWith).toBe(200)
    const last = connect(socketPath)
    await once(last, 'connect')
    expect(await statusWith()).toBe(503)
    for (const socket of [last, ...crowd]) socket.destroy()
    await expect.poll(statusWith).toBe(200)
  })

  test('leaves connections to the registry for this machine, however much it asks', async () => {
    await world.restart({ upstreamSockets: 20 })
    const held = Promise.withResolvers<void>()
    world.upstream.fault(/held/, { kind: 'hold', until: held.promise })
    const asked = 280
    const answers = pipeline(Array.from({ length: asked }, (_, index) => `/held-${index}`))
    await expect.poll(() => world.upstream.count(/held/)).toBe(16)
    expect((await world.http.get('/not-at-hand')).status).toBe(404)
    expect(world.upstream.count(/held/)).toBe(16)
    held.resolve()
    const statuses = (await answers).match(/(?<=HTTP\/1\.1 )\d+/g) ?? []
    expect(statuses).toHaveLength(asked)
    expect(statuses.filter((status) => status === '503')).toHaveLength(asked - 16 - 256)
    world.upstream.heal()
    expect((await ask('/left-pad')).status).toBe(200)
  })

  test('leaves them too when much is fetched ahead of it', async () => {
    await world.restart({ upstreamSockets: 20 })
    const names = Array.from({ length: 40 }, (_, index) => [`fx-held-${index}`, '1'] as const)
    world.upstream.add(makePackage('fx-many', '1.0.0', { dependencies: Object.fromEntries(names) }))
    const held = Promise.withResolvers<void>()
    world.upstream.fault(/fx-held/, { kind: 'hold', until: held.promise })
    // The thread that reads documents has begun: nothing is fetched ahead of a guest that has been silent for a second.
    expect((await ask('/left-pad')).status).toBe(200)
    expect((await ask('/fx-many')).status).toBe(200)
    await expect.poll(() => world.upstream.count(/fx-held/)).toBe(10)
    expect((await world.http.get('/not-here-either')).status).toBe(404)
    expect(world.upstream.count(/fx-held/)).toBe(10)
    world.upstream.heal()
    // The guest goes on asking, however long all this takes: what waits for one that is silent for a second is dropped.
    const asking = async (): Promise<number> => {
      expect((await ask('/left-pad')).status).toBe(200)
      held.resolve()
      return world.upstream.count(/fx-held/)
    }
    await expect.poll(asking).toBe(40)
  })

  test('may bring its audit, without credentials of its own', async () => {
    const headers = { authorization: 'Bearer its-own', 'content-type': 'application/json' }
    const path = '/-/npm/v1/security/advisories/bulk'
    await ask(path, { method: 'POST', headers, body: '{"left-pad":["1.0.0"]}' })
    expect(world.upstream.seen.map(({ url }) => url)).toEqual([path])
    expect(world.upstream.seen[0]?.headers.authorization).toBeUndefined()
  })
})

test('a bridge answers to its own names alone', async () => {
  const statusAs = async (host: string, at: Asked['at'] = 'docker'): Promise<number> =>
    (await ask('/left-pad', { at, headers: { host } })).status
  expect(await statusAs('host.docker.internal')).toBe(200)
  expect(await statusAs(`host.docker.internal:${port}`)).toBe(200)
  expect(await statusAs('evil.example')).toBe(403)
  expect(await statusAs('host.docker.internal', 'gateway')).toBe(403)
})

test('what cannot listen says why, and what is taken out of the file is closed', async () => {
  const own = Number(world.host.split(':')[1])
  await writeBridges([{ kind: 'docker', address: '127.0.0.1', port: own, hosts: [] }])
  const [state] = await refresh()
  expect(state?.problem).toContain('in use')
  await expect(ask('/left-pad', { at: 'docker' })).rejects.toThrow('ECONNREFUSED')
  await expect(ask('/left-pad')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
  const within = join(folder, 'bridges.json', 'catalog.sock') // where a file is no folder can be
  await writeBridges([{ kind: 'sandbox', path: within }])
  expect((await refresh())[0]?.problem).toContain('bridges.json')
  await writeFile(join(folder, 'bridges.json'), '{"bridges":[{"kind":"docker"}]}')
  await world.http
    .post('/-/catalog/bridges/refresh')
    .set('x-catalog-token', TOKEN)
    .send({})
    .expect(400)
})

test('a file of bridges that cannot be read keeps nobody else from being served', async () => {
  const path = join(folder, 'a-folder.json')
  await mkdir(path)
  await world.restart({ bridgesPath: path })
  expect((await world.get('/left-pad')).status).toBe(200)
  const { body } = await world.http
    .post('/-/catalog/bridges/refresh')
    .set('x-catalog-token', TOKEN)
    .send({})
    .expect(400)
  expect(JSON.stringify(body)).toContain('a-folder.json')
})
