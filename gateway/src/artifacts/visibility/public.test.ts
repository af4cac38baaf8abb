/**
 * What is public is proven. A registry that asks for no password proves nothing, nor does what strangers are told: sign-in pages,
 * captive portals, another registry's package of that name.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '@catalog-p2p/gateway'
import { makePackage, type FixturePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import {
  startUpstream,
  type FaultyUpstream,
  type Plain,
} from '../../../../test/support/registries/upstream.ts'
import { writeKeyring } from '../../keys/keyring.ts'
import { fingerprintOf, KEY_TYPE } from '../../keys/registry-key.ts'

const open = makePackage('fx-open', '1.0.0')
const other = makePackage('fx-other', '1.0.0')
const secret = makePackage('@corp/secret', '1.0.1')
const path = ({ name, version }: FixturePackage): string =>
  `/${name}/-/${name.split('/').at(-1)}-${version}.tgz`
const by = ({ integrity }: FixturePackage) => ({ 'pacote-integrity': integrity })
const TOKEN = 'Bearer corp-token'
const token = { '//{host}/:_authToken': 'corp-token' }

let world: GatewayWorld
async function start(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  world = await gatewayWorld({ packages: [open, other, secret], ...options })
}
afterEach(() => world[Symbol.asyncDispose]())

const peerHolds = ({ integrity, tarball }: FixturePackage): void =>
  void world.node.peerHolds.set(parseDigest(integrity), tarball)
/** Whether peers have been asked for it, or would be given it. */
function hasLeaked({ integrity }: FixturePackage): boolean {
  const digest = parseDigest(integrity)
  const asked = world.node.asked.some((one) => one.digest === digest && one.peers)
  return asked || world.node.entry(digest)?.visibility === 'public'
}

describe('a company registry that asks for no credentials', () => {
  beforeEach(() => start({ publicRegistries: [] }))

  test.each([
    ['a scope of its own', secret],
    ['packages without a scope', open],
  ])('keeps %s: installed with or without a hash, nothing leaves', async (_, wanted) => {
    peerHolds(wanted)
    for (const headers of [by(wanted), {}]) {
      const got = await world.get(path(wanted), headers)
      expect(got.body.equals(wanted.tarball)).toBe(true)
      expect(got.headers['cache-control']).toMatch(/^private/)
    }
    expect(hasLeaked(wanted)).toBe(false)
    // Whoever is on this machine may have it, without the registry too.
    await world.upstream.stop()
    expect((await world.get(path(wanted), by(wanted))).status).toBe(200)
  })

  test('is asked for no more documents once it has shown that it passes no signatures on', async () => {
    const many = Array.from({ length: 30 }, (_, each) => makePackage(`fx-many-${each}`, '1.0.0'))
    world.upstream.add(...many)
    for (const each of many) await world.get(path(each), by(each))
    expect(world.upstream.count(/\/1\.0\.0$/)).toBe(16)
  })
})

test("a scope's own company registry is not public because the main one is", async () => {
  const corp = await startUpstream([secret])
  await start({ npmrc: { '@corp:registry': corp.url } })
  await world.get(path(secret), by(secret))
  await world.get(path(open), by(open))
  expect([hasLeaked(secret), hasLeaked(open)]).toEqual([false, true])
  await corp[Symbol.asyncDispose]()
})

describe('a company mirror of public packages', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyid = fingerprintOf(publicKey)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'catalog-keyring-'))
    const keyringPath = join(folder, 'keys.json')
    const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
    const entry = { expires: null, keyid, keytype: KEY_TYPE, scheme: KEY_TYPE, key }
    const updatedAt = new Date(0).toISOString()
    await writeKeyring(
      keyringPath,
      new Map([[DEFAULT_REGISTRY, { keys: [entry], dropped: [], updatedAt }]]),
    )
    await start({ publicRegistries: [], keyringPath })
    signBy(open, open.integrity)
    signBy(secret, secret.integrity)
    signBy(other, open.integrity)
  })
  afterEach(() => rm(folder, { recursive: true }))

  function signBy({ name, version }: FixturePackage, integrity: string): void {
    const sig = sign('sha256', Buffer.from(`${name}@${version}:${integrity}`), privateKey)
    const { dist } = world.upstream.document(name).versions[version] ?? { dist: {} }
    dist.signatures = [{ keyid, sig: sig.toString('base64') }]
  }

  test.each(['its hash', 'its metadata'])(
    'gives to peers what npm has signed, by %s',
    async (how) => {
      peerHolds(open)
      const got = await world.get(path(open), how === 'its hash' ? by(open) : {})
      expect(got.headers['x-catalog-source']).toBe('peer')
      expect(hasLeaked(open)).toBe(true)
      // Known from then on.
      await world.restart()
      world.node.stored.clear()
      await world.upstream.stop()
      expect((await world.get(path(open), by(open))).headers['x-catalog-source']).toBe('peer')
    },
  )

  test('asks again for a signature that was not passed on at first, over a restart too', async () => {
    const late = makePackage('fx-late', '1.0.0')
    world.upstream.add(late)
    await world.get(path(late), by(late))
    expect(hasLeaked(late)).toBe(false)
    signBy(late, late.integrity)
    await world.restart()
    await world.get(path(late), by(late))
    expect(hasLeaked(late)).toBe(true)
  })

  test('asks for it though many versions of one in-house package have none', async () => {
    const many = Array.from({ length: 16 }, (_, each) => makePackage('fx-house', `1.0.${each}`))
    world.upstream.add(...many)
    for (const each of many) await world.get(path(each), by(each))
    peerHolds(open)
    expect((await world.get(path(open), by(open))).headers['x-catalog-source']).toBe('peer')
  })

  test('keeps what npm has signed other bytes of, and every scope: a paid one is signed as well', async () => {
    for (const wanted of [other, secret]) {
      peerHolds(wanted)
      expect((await world.get(path(wanted), by(wanted))).headers['x-catalog-source']).toBe('origin')
      expect((await world.get(path(wanted))).status).toBe(200)
      expect(hasLeaked(wanted)).toBe(false)
    }
  })
})

describe('what strangers are told', () => {
  const page: Plain = { kind: 'body', body: '<html>Sign in</html>', type: 'text/html' }
  const told: [string, Plain][] = [
    ['a sign-in page elsewhere', { kind: 'redirect', to: '/login' }],
    ['a page', page],
    ['400', { kind: 'status', status: 400 }],
    ['203', { kind: 'status', status: 203, body: '{}' }],
    ['407', { kind: 'status', status: 407 }],
    ['429', { kind: 'status', status: 429 }],
  ]

  test.each(told)('(%s) is no matter to who has credentials', async (_, strangers) => {
    for (const publicRegistries of [[], undefined]) {
      await start({ npmrc: token, ...(publicRegistries && { publicRegistries }) })
      world.upstream.otherwise = (_request, res) =>
        void res.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>')
      world.upstream.wall(/secret/, [TOKEN], strangers)
      peerHolds(secret)
      const got = await world.get(path(secret), by(secret))
      expect(got.body.equals(secret.tarball)).toBe(true)
      expect((await world.http.get('/@corp%2fsecret')).status).toBe(200)
      expect(hasLeaked(secret)).toBe(false)
      if (publicRegistries !== undefined) await world[Symbol.asyncDispose]()
    }
  })

  describe('of another registry, which has a package of that name', () => {
    let elsewhere: FaultyUpstream
    const theirs = makePackage('@corp/secret', '9.9.9')
    beforeEach(async () => {
      elsewhere = await startUpstream([theirs])
      await start({ publicRegistries: [], npmrc: token })
      world.upstream.wall(/secret/, [TOKEN, 'Bearer mine'], {
        ...{ kind: 'redirect', to: `${elsewhere.url}{path}` },
      })
    })
    afterEach(() => elsewhere[Symbol.asyncDispose]())

    test.each([{}, { authorization: 'Bearer mine' }])(
      '(%j) is never asked for',
      async (headers) => {
        const { body } = await world.http.get('/@corp%2fsecret').set(headers)
        expect(Object.keys((body as { versions: object }).versions)).toEqual(['1.0.1'])
        await world.get(path(secret), headers)
        expect(elsewhere.seen).toEqual([])
        expect(hasLeaked(secret)).toBe(false)
      },
    )
  })

  test('is a shorter list of versions, which is not what who has credentials gets', async () => {
    await start({ publicRegistries: [] })
    const hidden = makePackage('@corp/secret', '2.0.0')
    // Somebody without any was here before, a moment ago.
    await world.get('/@corp%2fsecret')
    world.upstream.add(hidden)
    const { body } = await world.http.get('/@corp%2fsecret').set({ authorization: 'Bearer mine' })
    expect(Object.keys((body as { versions: object }).versions)).toContain('2.0.0')
  })
})

describe("a paid scope on npm's registry", () => {
  test('is not asked of peers while the registry is out of reach', async () => {
    await start({ npmrc: token })
    await world.upstream.stop()
    peerHolds(secret)
    expect((await world.get(path(secret), by(secret))).status).toBe(502)
    expect(hasLeaked(secret)).toBe(false)
  })

  test('that is open to everybody is shared, also without the registry from then on', async () => {
    await start({ npmrc: token })
    await world.get(path(secret), by(secret))
    expect(hasLeaked(secret)).toBe(true)
    await world.upstream.stop()
    world.node.stored.clear()
    peerHolds(secret)
    expect((await world.get(path(secret), by(secret))).headers['x-catalog-source']).toBe('peer')
  })
})

test('a package without a scope can be marked private too', async () => {
  await start({ privateScopes: ['FX-Open'] })
  for (const wanted of [open, other]) await world.get(path(wanted), by(wanted))
  expect([hasLeaked(open), hasLeaked(other)]).toEqual([false, true])
})
