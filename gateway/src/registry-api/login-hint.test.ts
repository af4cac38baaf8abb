/** Who logged in at the registry itself is nobody here, and is told what to do about it instead of a bare 401. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { ann, annsKey } from '../../../test/support/machines/network-machine.ts'
import { startUpstream } from '../../../test/support/registries/upstream.ts'
import type { GatewayOptions } from '../options.ts'
import { toKeyFile } from '../publisher-keys/key-file.ts'
import { openKeyFolder } from '../publisher-keys/key-folder.ts'

let world: GatewayWorld
let answer: { status: number; body: string | Buffer; headers?: Record<string, string> }
async function start(
  npmrc: Readonly<Record<string, string>> = {},
  options: GatewayOptions = {},
): Promise<void> {
  world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')], npmrc, ...options })
  world.upstream.otherwise = (_request, res) =>
    void res.writeHead(answer.status, answer.headers).end(answer.body)
}
beforeEach(() => {
  const headers = { 'content-type': 'application/json' }
  answer = { status: 401, body: '{"error":"who are you?"}', headers }
})
afterEach(() => world[Symbol.asyncDispose]())

const login = (): string => `npm login --registry=${world.url}/`
const publish = (auth = {}) => world.http.put('/fx-one').set(auth).send({})

describe('without credentials for the gateway', () => {
  test.each([401, 403, 404])(
    'a %i to a publish keeps its words and names the next step',
    async (status) => {
      // As after `npm login` at the registry, where the daemon finds what the client does not send.
      await start({ '//{host}/:_authToken': 'of-the-registry' })
      answer.status = status
      const got = await publish()
      expect(got.status).toBe(status)
      expect(got.body.error).toMatch(/^who are you\? \(/)
      expect(got.body.error).toContain(login())
      expect(got.headers['npm-notice']).toContain(login())
      expect(world.upstream.seen[0]?.headers.authorization).toBeUndefined()
    },
  )

  test.each([
    ['no JSON', '<h1>no</h1>', {}],
    ['an empty body', '', {}],
    ['a list', '[1]', {}],
    ['too many words', 'x'.repeat(100_000), {}],
    ['gzip that is none', 'x', { 'content-encoding': 'gzip' }],
    ['gzip', gzipSync('{"error":"who are you?"}'), { 'content-encoding': 'gzip' }],
  ])('also where upstream says it with %s', async (_what, body, headers) => {
    await start()
    answer = { status: 401, body, headers }
    const got = await publish()
    expect(got.status).toBe(401)
    expect(got.body.error).toContain(login())
  })

  test.each(['/-/whoami', '/-/npm/v1/user', '/-/package/fx-one/access', '/fx-one?write=true'])(
    'so does %s',
    async (path) => {
      await start()
      expect((await world.http.get(path)).body.error).toContain(login())
    },
  )

  test("a scope's registry is named by its place, with nothing that changes whose it is", async () => {
    const corp = await startUpstream([])
    corp.otherwise = (_request, res) => void res.writeHead(401).end('{}')
    await start({ '@corp:registry': corp.url })
    const place = `${world.url}/-/catalog/scope/@corp/`
    for (const auth of [{}, { authorization: 'Bearer of-the-main-registry' }]) {
      const got = await world.http.put('/@corp%2flib').set(auth).send({})
      expect(got.body.error).toContain(
        `npm login --registry=${place}, then the same again with --@corp:registry=${place}`,
      )
      // It would write the place over the registry of @corp in ~/.npmrc, where the daemon looks for it.
      expect(got.body.error).not.toContain('--scope')
    }
    const there = await world.http.put('/-/catalog/scope/@corp/@corp%2flib').send({})
    expect(there.body.error).toMatch(/ npm login --registry=\S+@corp\/$/)
    await corp[Symbol.asyncDispose]()
  })
})

describe('on a machine with a key for the network', () => {
  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'catalog-keys-'))
    const file = await toKeyFile(annsKey, { passphrase: undefined, createdAt: new Date() })
    await openKeyFolder(folder).add('default', file)
    await start({}, { keyFolderPath: folder })
  })

  test('the answer to a publish says which way it went, and how it goes the other', async () => {
    const refused = await publish({ authorization: 'Bearer mine' })
    expect(refused.body.error).toContain('fx-one went to its registry')
    expect(refused.body.error).toContain(`"catalog trust add fx-one ${ann}" first`)
    expect((await publish()).body.error).toContain(`${login()}; fx-one went to its registry`)
    answer = { ...answer, status: 201, body: '{"ok":true}' }
    const taken = await publish({ authorization: 'Bearer mine' })
    expect(taken.text).toBe(answer.body)
    expect(taken.headers['npm-notice']).toMatch(
      /^fx-one went to its registry .*not to the network$/,
    )
    const otp = { ...answer.headers, 'www-authenticate': 'OTP' }
    answer = { status: 401, body: '{}', headers: otp }
    expect((await publish({ authorization: 'Bearer mine' })).text).toBe('{}')
  })

  test('without a registry it says how it goes to the network', async () => {
    await world.restart({ upstream: null })
    expect((await publish()).body.error).toContain(`"catalog trust add fx-one ${ann}" first`)
  })
})

describe("upstream's own word stands", () => {
  test.each([
    ['to who showed credentials', 'put', '/fx-one', 401, { authorization: 'Bearer mine' }],
    ['to a login', 'put', '/-/user/org.couchdb.user:me', 401, {}],
    ['to a login in a browser', 'post', '/-/v1/login', 401, {}],
    ['when there is no such package before a publish', 'get', '/fx-none?write=true', 404, {}],
    ['to a search', 'get', '/-/v1/search?text=x', 401, {}],
    ['when it fails', 'put', '/fx-one', 500, {}],
  ] as const)('%s', async (_what, method, path, status, auth) => {
    await start()
    answer.status = status
    const got = await world.http[method](path).set(auth)
    expect(got.status).toBe(status)
    expect(got.text).toBe(answer.body)
    expect(got.headers['npm-notice']).toBeUndefined()
  })
})
