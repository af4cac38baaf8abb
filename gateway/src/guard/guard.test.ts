/** What the guard denies is denied everywhere: in metadata, as a tarball, by a lockfile's hash, from the store, to peers. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findDigest, parseDigest } from '@catalog-p2p/core'
import { makePackage, type FixturePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { tarballPath } from '../../../test/support/registries/registry.ts'
import { sharePath } from '../sharing/share-address.ts'
import { Guard } from './guard.ts'

const DAY_MS = 86_400_000
const old = makePackage('fx-aged', '1.0.0')
const newer = makePackage('fx-aged', '1.1.0')
const young = makePackage('fx-aged', '1.2.0')
const other = makePackage('fx-other', '1.0.0')
const ABBREVIATED = { accept: 'application/vnd.npm.install-v1+json' }
const NPM = { 'user-agent': 'npm/11.0.0 node/v24.0.0', accept: 'application/json' }

interface Served {
  'dist-tags': Record<string, string>
  versions: Record<string, unknown>
  time?: Record<string, string>
}

let folder: string
let list: string
let world: GatewayWorld
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-guard-'))
  list = join(folder, 'malware.json')
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function open(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  world = await gatewayWorld({ packages: [old, newer, young, other], ...options })
  const { time } = world.upstream.document('fx-aged')
  time['1.0.0'] = ago(100 * DAY_MS)
  time['1.1.0'] = ago(50 * DAY_MS)
  time['1.2.0'] = ago(DAY_MS)
}

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString()

async function metadata(headers: Record<string, string> = ABBREVIATED): Promise<Served> {
  const { status, body } = await world.get('/fx-aged', headers)
  expect(status).toBe(200)
  return JSON.parse(body.toString()) as Served
}

function malware(versions: readonly string[], id = 'MAL-2025-1'): string {
  const affected = [{ package: { ecosystem: 'npm', name: 'fx-aged' }, versions }]
  return JSON.stringify([{ id, affected }])
}

async function expectDenied(each: FixturePackage, why: RegExp, headers = {}): Promise<void> {
  const answer = await world.get(tarballPath(each), headers)
  expect(answer.status).toBe(403)
  expect((JSON.parse(answer.body.toString()) as { error: string }).error).toMatch(why)
}

async function expectServed(each: FixturePackage): Promise<void> {
  const { status, body } = await world.get(tarballPath(each))
  expect({ status, same: body.equals(each.tarball) }).toEqual({ status: 200, same: true })
}

describe('known malware', () => {
  test('is neither in metadata nor given as a tarball', async () => {
    await writeFile(list, malware(['1.2.0']))
    await open({ malwareList: list })
    for (const headers of [ABBREVIATED, NPM]) {
      const document = await metadata(headers)
      expect(Object.keys(document.versions)).toEqual(['1.0.0', '1.1.0'])
      expect(document['dist-tags'].latest).toBe('1.1.0')
    }
    await expectDenied(young, /fx-aged@1\.2\.0 is denied .*known malware \(MAL-2025-1\)/)
    await expectDenied(young, /malware/, { 'pacote-integrity': young.integrity })
    await expectServed(newer)
    expect(world.upstream.count(/1\.2\.0\.tgz/)).toBe(0)
  })

  test('its own document and that of its tag are refused, too', async () => {
    await writeFile(list, malware(['1.2.0']))
    await open({ malwareList: list })
    for (const path of ['/fx-aged/1.2.0', '/fx-aged/latest', '/fx-aged/files/fx-aged-1.2.0.tgz']) {
      expect({ path, status: (await world.get(path)).status }).toEqual({ path, status: 403 })
    }
    expect((await world.get('/fx-aged/1.1.0')).status).not.toBe(403)
  })

  test('is not given as something else that is shared', async () => {
    await writeFile(list, malware(['1.2.0']))
    await open({ malwareList: list })
    for (const [each, expected] of [
      [young, 403],
      [newer, 200],
    ] as const) {
      const digest = await world.node.put(each.tarball)
      const { status } = await world.get(`/${sharePath({ digest, name: 'fx', version: '1.0.0' })}`)
      expect(status).toBe(expected)
    }
  })

  test('a package that is nothing else is refused as a whole, with the reason', async () => {
    await writeFile(list, malware([]))
    await open({ malwareList: list })
    const { status, body } = await world.get('/fx-aged', ABBREVIATED)
    expect({ status, text: body.toString() }).toEqual({
      status: 403,
      text: expect.stringContaining('MAL-2025-1') as string,
    })
  })

  test('that was served already leaves the store when the list arrives', async () => {
    await writeFile(list, '[]')
    await open({ malwareList: list })
    await expectServed(young)
    const digest = findDigest(young.integrity)
    if (digest === undefined) throw new Error('the fixture has no digest')
    expect(world.node.has(digest)).toBe(true)
    await writeFile(list, malware(['1.2.0']))
    await world.http
      .post('/-/catalog/guard/update')
      .set('x-catalog-token', TOKEN)
      .set('content-type', 'application/json')
      .send('{}')
      .expect(200)
    expect(world.node.has(digest)).toBe(false)
    await expectDenied(young, /malware/)
    // Under another name too.
    await expectDenied(other, /malware/, {
      'pacote-integrity': young.integrity,
      'x-catalog-upstream': 'never',
    })
    expect(Object.keys((await metadata()).versions)).toEqual(['1.0.0', '1.1.0'])
  })

  test('a list that cannot be read stops the start', async () => {
    await expect(open({ malwareList: join(folder, 'none.json') })).rejects.toThrow(/malware-list/)
    await open()
  })
})

describe('the list', () => {
  test('is read from a URL, too', async () => {
    const server = createServer((_, res) => res.end(malware(['1.2.0'])))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      await open({ malwareList: `http://127.0.0.1:${port}/list.json` })
      await expectDenied(young, /MAL-2025-1/)
    } finally {
      server.close()
    }
  })

  test('is read again when its file changes, and kept when that makes no sense', async () => {
    await open()
    await writeFile(list, '[]')
    const lines: string[] = []
    const log = { debug: () => undefined, info: () => undefined, error: () => undefined }
    const warn = (event: string): void => void lines.push(event)
    const upstream = {
      request: () => Promise.reject(new Error('not asked')),
      isDown: () => false,
      isSilent: () => false,
      counts: { requests: 0, failures: 0, bytes: 0 },
      close: () => Promise.resolve(),
    }
    const guard = new Guard(
      { upstream, log: { ...log, warn }, fileCheckMs: 20 },
      {
        ...{ minReleaseAgeMs: 0, minReleaseAgeExclude: [] },
        malwareList: list,
        trustDowngrade: 'off',
        takedown: 'off',
      },
    )
    await guard.start()
    expect(guard.mayDeny('fx-aged')).toBe(false)
    await writeFile(list, malware(['1.2.0']))
    await expect.poll(() => guard.malwareId('fx-aged', '1.2.0')).toBe('MAL-2025-1')
    await writeFile(list, 'no JSON at all')
    await expect.poll(() => lines).toContain('guard.list-not-read')
    expect(guard.malwareId('fx-aged', '1.2.0')).toBe('MAL-2025-1')
    expect(guard.status().malware?.problem).toContain('malware-list')
    guard.close()
  })
})

describe('release age', () => {
  const options = { minReleaseAgeMs: 3 * DAY_MS }

  test('leaves out what is too young, and latest is the newest old enough', async () => {
    await open(options)
    for (const headers of [ABBREVIATED, NPM]) {
      const document = await metadata(headers)
      expect(Object.keys(document.versions)).toEqual(['1.0.0', '1.1.0'])
      expect(document['dist-tags'].latest).toBe('1.1.0')
    }
    expect((await metadata(NPM)).time?.['1.2.0']).toBeUndefined()
  })

  test('refuses the tarball, too, until when, with one question for the metadata', async () => {
    await open(options)
    const until = new Date(Date.now() + 2 * DAY_MS).toISOString().slice(0, 10)
    await expectDenied(young, new RegExp(`too young: .* 3 d after .* from ${until}`))
    await expectDenied(young, /too young/, { 'pacote-integrity': young.integrity })
    await expectServed(old)
    expect(world.upstream.count(/\/fx-aged$/)).toBe(1)
  })

  test('counts for bytes that are asked for by their hash under another name', async () => {
    await open({ ...options, minReleaseAgeExclude: ['fx-other'] })
    for (const { integrity, tarball } of [young, old]) {
      world.node.peerHolds.set(parseDigest(integrity), tarball)
    }
    const by = ({ integrity }: typeof young) => {
      return { 'pacote-integrity': integrity, 'x-catalog-upstream': 'never' }
    }
    await expectDenied(other, /fx-aged@1.2.0.*unknown age/, by(young))
    await metadata(NPM)
    await expectDenied(other, /fx-aged@1.2.0.*too young/, by(young))
    const allowed = await world.get(tarballPath(other), by(old))
    expect(allowed.body.equals(old.tarball)).toBe(true)
  })

  test('takes a version in when it is old enough', async () => {
    await open({ minReleaseAgeMs: 3 * DAY_MS, maxAgeMs: 86_400_000 })
    world.upstream.document('fx-aged').time['1.2.0'] = ago(3 * DAY_MS - 3_000)
    expect((await metadata())['dist-tags'].latest).toBe('1.1.0')
    await expect
      .poll(async () => (await metadata())['dist-tags'].latest, { timeout: 10_000 })
      .toBe('1.2.0')
    await expectServed(young)
    expect(world.upstream.count(/\/fx-aged$/)).toBe(1)
  })

  test('spares names and scopes that are excluded', async () => {
    await open({ ...options, minReleaseAgeExclude: ['fx-aged'] })
    expect((await metadata())['dist-tags'].latest).toBe('1.2.0')
    await expectServed(young)
  })

  test('without the metadata nothing passes but what was given out under the same rule', async () => {
    await open({ ...options, maxAgeMs: 0 })
    await expectServed(old)
    await world.restart({ ...options, upstream: null, cachePath: world.cachePath })
    await expectServed(old)
    await expectDenied(young, /too young/)
    await expectDenied(other, /unknown age/)
  })

  test('a version of which the registry tells no time is refused', async () => {
    await open(options)
    delete world.upstream.document('fx-aged').time['1.0.0']
    await expectDenied(old, /does not say when it came out/)
    await expectServed(newer)
  })
})

test('a version with less proof than earlier ones is refused, or only warned of', async () => {
  await open({ trustDowngrade: 'refuse' })
  const document = world.upstream.document('fx-aged')
  for (const version of ['1.0.0', '1.1.0']) {
    const dist = document.versions[version]?.dist
    if (dist !== undefined) dist.attestations = { provenance: { predicateType: 'slsa' } }
  }
  await expectDenied(young, /without provenance, which 1\.1\.0 had/)
  expect((await metadata())['dist-tags'].latest).toBe('1.1.0')
  await world.restart({ trustDowngrade: 'warn' })
  await expectServed(young)
  expect(world.logged.filter((line) => line.includes('guard.trust-downgrade'))).toHaveLength(1)
})

test('without rules nothing is asked or changed', async () => {
  await open()
  expect((await metadata())['dist-tags'].latest).toBe('1.2.0')
  await expectServed(young)
})
