import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { mergeKeys } from './keyring-merge.ts'
import { keyringPath, writeKeyring } from './keyring.ts'
import { PINNED_KEYS } from './pinned-keys.ts'
import { fingerprintOf, KEY_TYPE } from './registry-key.ts'

const PATH = '/-/npm/v1/keys'
const theirs = { keys: [{ keyid: 'SHA256:their own', key: 'whatever they say', extra: 1 }] }

let world: GatewayWorld
let answer: { status: number; body: string }
beforeEach(async () => {
  world = await gatewayWorld({ maxAgeMs: 0 })
  answer = { status: 200, body: JSON.stringify(theirs) }
  world.upstream.otherwise = (_, res) => void res.writeHead(answer.status).end(answer.body)
})
afterEach(() => world[Symbol.asyncDispose]())

const get = async (headers: Record<string, string> = {}) => {
  const { status, headers: got, body } = await world.get(PATH, headers)
  return { status, source: got['x-catalog-keys'], body: JSON.parse(body.toString()) as unknown }
}
const pinned = { status: 200, source: 'keyring', body: { keys: PINNED_KEYS } }

test("upstream's own keys are passed on as they are, with the client's credentials", async () => {
  expect(await get({ authorization: 'Bearer mine' })).toEqual({
    ...{ status: 200, source: 'upstream', body: theirs },
  })
  expect(world.upstream.seen).toMatchObject([
    { url: PATH, headers: { authorization: 'Bearer mine' } },
  ])
})

test('a young answer is kept', async () => {
  await world.restart({ maxAgeMs: 60_000 })
  await get()
  expect(await get()).toMatchObject({ source: 'cache', body: theirs })
  expect(world.upstream.seen).toHaveLength(1)
})

describe('an old answer stands in', () => {
  beforeEach(async () => void (await get()))

  test.each([500, 503, 429])('for a %i', async (status) => {
    answer = { status, body: '{"error":"no"}' }
    expect(await get()).toEqual({ status: 200, source: 'cache', body: theirs })
  })

  test('for an upstream out of reach, after a restart too', async () => {
    await world.upstream.stop()
    await world.restart()
    expect(await get()).toEqual({ status: 200, source: 'cache', body: theirs })
  })
})

describe('the pinned keys stand in', () => {
  test.each([
    [404, '{"error":"Not found"}'],
    [405, ''],
    [401, '{}'],
    [500, ''],
    [200, '{"keys":[]}'],
    [200, '<html>'],
    [200, 'null'],
  ])('for %i %s', async (status, body) => {
    answer = { status, body }
    expect(await get()).toEqual(pinned)
  })

  test('for an upstream out of reach', async () => {
    await world.upstream.stop()
    expect(await get()).toEqual(pinned)
  })

  test('for none at all', async () => {
    await world.restart({ upstream: null })
    expect(await get()).toEqual(pinned)
    const head = await fetch(world.url + PATH, { method: 'HEAD' })
    expect(Number(head.headers.get('content-length'))).toBe(JSON.stringify(pinned.body).length)
  })
})

describe('the keyring', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = {
    ...{ expires: null, keyid: fingerprintOf(publicKey), keytype: KEY_TYPE, scheme: KEY_TYPE },
    key: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  }
  beforeEach(() => void (answer = { status: 404, body: '' }))

  async function keep(keys: readonly (typeof key)[]): Promise<string> {
    const path = keyringPath(world.cachePath)
    const registry = world.upstream.url
    const options = { registry, replace: true, dropPinned: false, now: new Date() }
    await writeKeyring(path, mergeKeys(new Map(), keys, options).keyring)
    return path
  }

  test('is read anew for every answer, and names the keys of this upstream', async () => {
    await world.restart({ keyringPath: keyringPath(world.cachePath) })
    expect(await get()).toEqual(pinned)
    await keep([key])
    expect(await get()).toEqual({ status: 200, source: 'keyring', body: { keys: [key] } })
  })

  test('may say that this upstream has none', async () => {
    await world.restart({ keyringPath: await keep([]) })
    expect(await get()).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  })

  test('that is broken is reported, and the pinned keys stand in', async () => {
    const path = join(world.cachePath, 'broken.json')
    await writeFile(path, '{')
    await world.restart({ keyringPath: path })
    expect(await get()).toEqual(pinned)
    expect(world.logged.join('\n')).toContain('keys.keyring-unreadable')
  })
})
