/** Whatever upstream refuses, and however: the client hears that, never that something is wrong in here. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { request as httpRequest, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makePackage } from '../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../test/support/gateway-world.ts'

const WORDS = Buffer.from('{"error":"who are you?"}')
const HUGE = Buffer.from(JSON.stringify({ error: 'no', more: 'x'.repeat(3 * 1024 * 1024) }))
const JSON_TYPE = { 'content-type': 'application/json' }
const GZIP = { ...JSON_TYPE, 'content-encoding': 'gzip' }
const OTP = { 'www-authenticate': 'OTP' }

type Refuse = (res: ServerResponse, status: number) => void
const plain =
  (headers: Record<string, string>, body: Buffer | string): Refuse =>
  (res, status) =>
    void res.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
/** Without a length. */
const chunked =
  (headers: Record<string, string>, body: Buffer): Refuse =>
  (res, status) =>
    void res.writeHead(status, headers).end(body)
/** The connection ends in the middle. */
const cut =
  (headers: Record<string, string>): Refuse =>
  (res, status) =>
    void res
      .writeHead(status, { ...headers, 'content-length': 1000 })
      .write(WORDS, () => res.destroy())

const HOW: Readonly<Record<string, Refuse>> = {
  'in words': plain(JSON_TYPE, WORDS),
  'in words, gzipped': plain(GZIP, gzipSync(WORDS)),
  'in gzip that is none': plain(GZIP, WORDS),
  'in gzip that breaks off': plain(GZIP, gzipSync(WORDS).subarray(0, 20)),
  'in gzip of nothing': plain(GZIP, ''),
  'in a coding that nobody knows': plain({ ...JSON_TYPE, 'content-encoding': 'zz' }, WORDS),
  'without a word': plain({}, ''),
  'with a page': plain({ 'content-type': 'text/html' }, '<h1>no</h1>'),
  'with null': plain(JSON_TYPE, 'null'),
  'with a list': plain(JSON_TYPE, '[1]'),
  'with JSON that breaks off': plain(JSON_TYPE, '{"error":'),
  'with words that are none': plain(JSON_TYPE, '{"error":{"code":1},"message":7}'),
  'at length': plain(JSON_TYPE, HUGE),
  'at length that is not told': chunked(JSON_TYPE, HUGE),
  'at length, gzipped': plain(GZIP, gzipSync(HUGE)),
  'in headers of other alphabets': plain({ ...JSON_TYPE, 'npm-notice': utf8('нет – 不') }, WORDS),
  'and asks for a password of one use': plain({ ...JSON_TYPE, ...OTP }, WORDS),
  'and asks for that in gzip that is none': plain({ ...GZIP, ...OTP }, WORDS),
  'and asks for that at length': chunked({ ...JSON_TYPE, ...OTP }, HUGE),
  'and is cut off': cut(JSON_TYPE),
  'and is cut off, gzipped': cut(GZIP),
  'and asks for a password of one use, and is cut off': cut({ ...JSON_TYPE, ...OTP }),
}

/** As such a header travels. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

const CALLS = [
  ['GET', '/fx-none'],
  ['HEAD', '/fx-none'],
  ['GET', '/fx-one/-/fx-one-1.0.0.tgz'],
  ['GET', '/fx-none/-/fx-none-1.0.0.tgz'],
  ['GET', '/fx-none/1.0.0'],
  ['GET', '/fx-none?write=true'],
  ['PUT', '/fx-none'],
  ['DELETE', '/fx-none/-rev/1'],
  ['GET', '/-/whoami'],
  ['GET', '/-/npm/v1/tokens'],
  ['POST', '/-/v1/login'],
  ['PUT', '/-/user/org.couchdb.user:me'],
  ['GET', '/-/package/fx-none/dist-tags'],
  ['GET', '/-/npm/v1/keys'],
  ['GET', '/-/ping'],
  ['POST', '/-/npm/v1/security/advisories/bulk'],
] as const

let world: GatewayWorld
let refuse: Refuse = () => undefined
let status = 401
beforeAll(async () => {
  world = await gatewayWorld({
    packages: [makePackage('fx-one', '1.0.0')],
    npmrc: { '//{host}/:_authToken': 'of-the-daemon' },
    upstreamRetries: 0,
  })
  const { dist } = world.upstream.document('fx-one').versions['1.0.0'] ?? {}
  Object.assign(dist ?? {}, { tarball: `${world.upstream.url}refused/fx-one.tgz` })
  world.upstream.otherwise = (_request, res) => refuse(res, status)
})
afterAll(() => world[Symbol.asyncDispose]())

test.each(Object.entries(HOW))('%s', async (how, its) => {
  refuse = its
  for (status of [401, 402, 403, 404, 409, 451]) {
    for (const [method, path] of CALLS) {
      for (const authorization of [undefined, 'Bearer mine']) {
        const got = await call(method, path, authorization)
        const what = `${method} ${path} ${status} ${authorization}: ${got}`
        const isCut = how.includes('cut off') || how.includes('length')
        // An answer that broke off on its way may break off here, too.
        const good = isCut ? [status, 200, 422, 502, 'broken'] : [status, ...ownAnswers(path)]
        expect(good, what).toContain(got)
      }
    }
  }
  expect(
    world.logged.filter((line) => line.includes('request.failed {"url"') && !line.includes('code')),
  ).toEqual([])
})

/** What the gateway has an answer of its own for. */
function ownAnswers(path: string): number[] {
  if (path === '/-/npm/v1/keys') return [200]
  return []
}

test('before it has read what is sent to it', async () => {
  const hasty = createServer((socket) => {
    socket.on('error', () => undefined) // it has been told, and sends on
    socket.once('data', () =>
      socket.end('HTTP/1.1 401 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}'),
    )
  })
  await once(hasty.listen(0, '127.0.0.1'), 'listening')
  const { port } = hasty.address() as AddressInfo
  await using other = await gatewayWorld({ npmrc: { registry: `http://127.0.0.1:${port}/` } })
  const got = await fetch(`${other.url}/fx-none`, { method: 'PUT', body: HUGE })
  expect(got.status).toBe(401)
  hasty.close()
})

function call(method: string, path: string, authorization: string | undefined) {
  return new Promise<number | 'broken'>((resolve) => {
    const req = httpRequest(world.url + path, {
      method,
      headers: { ...(authorization && { authorization }), 'x-catalog-client': 'test' },
      agent: false,
    })
    req.once('error', () => resolve('broken'))
    req.once('response', (res) => {
      res.resume()
      res.once('error', () => resolve(res.statusCode ?? 0))
      res.once('close', () => resolve(res.statusCode ?? 0))
    })
    req.end(method === 'PUT' || method === 'POST' ? '{}' : undefined)
  })
}
