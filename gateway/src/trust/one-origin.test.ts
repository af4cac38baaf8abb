/**
 * A name that comes from publishers of the network is never asked of a registry, by whatever way in, and nothing that a registry has
 * said of it is given out: whether it was said before the name was bound or after.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf, keyIdFromBytes } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { tarballPath } from '../../../test/support/registries/registry.ts'
import { withEntry, withoutEntries } from './trust-entries.ts'
import { changeTrustFile, trustFilePath } from './trust-file.ts'

const KEY = keyIdFromBytes(new Uint8Array(32).fill(1))
const squatted = makePackage('@acme/tool', '1.0.0')
const plain = makePackage('fx-plain', '1.0.0')
const digest = digestOf(squatted.tarball)

let folder: string
let path: string
let world: GatewayWorld

async function makeFolder(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'catalog-trust-'))
  path = trustFilePath(folder)
}

async function close(): Promise<void> {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
}

async function open(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  world = await gatewayWorld({ packages: [squatted, plain], trustPath: path, ...options })
}
const bind = (subject: string): Promise<void> =>
  changeTrustFile(path, (text) =>
    withEntry(text, { subject, kind: 'key', id: KEY, how: 'added', comment: '' }),
  )
const unbind = (): Promise<void> =>
  changeTrustFile(path, (text) => withoutEntries(text, () => true))

const GETS = [
  '/@acme/tool',
  '/@acme%2ftool',
  '/@acme%2Ftool',
  '/@ACME/Tool',
  '/%40acme%2ftool',
  '/@acme/tool?write=true',
  '/@acme/tool/1.0.0',
  '/@acme/tool/latest',
  '/@acme/%20tool',
  tarballPath(squatted),
  '/@acme%2ftool/-/tool-1.0.0.tgz',
  '/@acme/tool/-/@acme/tool-1.0.0.tgz',
  '/-/package/@acme%2ftool/dist-tags',
  '/-/package/@acme%2ftool/collaborators',
  '/-/npm/v1/attestations/@acme%2ftool@1.0.0',
  '/-/team/acme/developers/package',
  '/-/catalog/as-upstream/@acme/tool',
  '/-/catalog/scope/@acme/@acme/tool',
]

describe('a bound scope is asked of no registry', () => {
  beforeAll(async () => {
    await makeFolder()
    await bind('@acme')
    const affected = [{ package: { ecosystem: 'npm', name: '@acme/tool' }, versions: ['6.6.6'] }]
    const malwareList = join(folder, 'osv.json')
    await writeFile(malwareList, JSON.stringify({ id: 'MAL-1', affected }))
    await open({ npmrc: { '@acme:registry': '{upstream}' }, malwareList })
  })
  beforeEach(() => world.upstream.forget())
  afterAll(close)

  test.each(GETS)('GET %s', async (url) => {
    const { status } = await world.get(url, { 'pacote-integrity': squatted.integrity })
    expect(status).toBeGreaterThanOrEqual(400)
    expect(world.upstream.seen).toEqual([])
  })

  test.each([
    ['PUT', '/@acme%2ftool'],
    ['PUT', '/-/package/@acme%2ftool/dist-tags/latest'],
    ['DELETE', '/@acme%2ftool/-rev/1'],
    ['DELETE', '/@acme/tool/-/tool-1.0.0.tgz/-rev/1'],
    ['POST', '/-/npm/v1/oidc/token/exchange/package/@acme%2ftool'],
  ])('%s %s', async (method, url) => {
    const headers = { authorization: 'Bearer mine', 'content-type': 'application/json' }
    const response = await fetch(world.url + url, { method, headers, body: '{}' })
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(world.upstream.seen).toEqual([])
  })

  test('an audit leaves it out', async () => {
    world.upstream.otherwise = (_, res) => void res.end('{}')
    const body = gzipSync(JSON.stringify({ '@acme/tool': ['1.0.0'], 'fx-plain': ['1.0.0'] }))
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const url = '/-/npm/v1/security/advisories/bulk'
    expect((await fetch(world.url + url, { method: 'POST', headers, body })).status).toBe(200)
    const sent = world.upstream.seen.map((each) => gunzipSync(each.body).toString())
    expect(sent).toEqual(['{"fx-plain":["1.0.0"]}'])
  })

  test.each(['/-/v1/search?text=tool', '/-/catalog/search?text=tool'])(
    "%s shows nothing of the registry's",
    async (url) => {
      const found = ['@acme/tool', 'fx-plain'].map((name) => ({
        package: { name, version: '1.0.0' },
      }))
      world.upstream.otherwise = (_, res) => void res.end(JSON.stringify({ objects: found }))
      const { body } = await world.get(url)
      expect(body.toString()).toContain('fx-plain')
      expect(body.toString()).not.toContain('@acme/tool')
    },
  )

  test('a prefetch and a hint fetch nothing of it', async () => {
    const headers = { 'x-catalog-token': TOKEN, 'content-type': 'application/json' }
    const packages = [{ name: '@acme/tool', version: '1.0.0', integrity: squatted.integrity }]
    const body = JSON.stringify({ packages })
    const url = `${world.url}/-/catalog/prefetch`
    const answer = await fetch(url, { method: 'POST', headers, body })
    expect(await answer.text()).toContain('"status":"failed"')
    expect(world.upstream.seen).toEqual([])
    expect(world.node.asked).toEqual([])
  })

  test('bytes in the store are not given under its name, by whatever hash', async () => {
    await world.node.put(squatted.tarball, { visibility: 'public' })
    const headers = { 'pacote-integrity': squatted.integrity, 'x-catalog-upstream': 'never' }
    expect((await world.get(tarballPath(squatted), headers)).status).toBe(404)
    expect(world.node.asked.filter((each) => each.digest === digest)).toEqual([])
  })

  test('what is on the list of malware is not given, whoever has published it', async () => {
    const { status, body } = await world.get('/@acme/tool/-/tool-6.6.6.tgz')
    expect(status).toBe(403)
    expect(body.toString()).toContain('known malware (MAL-1)')
  })

  test('what its publisher gives is counted and explained as any install is', async () => {
    const { node, gateway } = world
    const known = { name: '@acme/tool', publisher: KEY, sequence: 1, digest }
    const dates = { previous: undefined, changedAtMs: 1, tags: new Map(), unpublished: [] }
    const releases = new Map([['1.0.0', { statement: digest }]])
    const head = { ...known, ...dates, releases }
    vi.spyOn(node.publications, 'head').mockResolvedValue(head)
    vi.spyOn(node.publications, 'release').mockResolvedValue({
      ...{ name: '@acme/tool', version: '1.0.0', digest, size: 1, chunkSize: 65_536 },
      ...{ root: new Uint8Array(32), manifest: '{}', publishedAtMs: 1, publisher: KEY },
    })
    await node.put(squatted.tarball, { visibility: 'public' })
    const before = gateway.stats().tarballs.store.artifacts
    const headers = { 'npm-session': 'of-the-network' }
    expect((await world.get('/@acme/tool', headers)).status).toBe(200)
    expect((await world.get(tarballPath(squatted), headers)).status).toBe(200)
    expect(gateway.stats().tarballs.store.artifacts).toBe(before + 1)
    const { body } = await world.get('/-/catalog/explain', { 'x-catalog-token': TOKEN })
    const { explanation } = JSON.parse(body.toString())
    expect(explanation).toMatchObject({ requests: 2, counted: 2 })
    const texts = explanation.slowest.map(({ text }: { text: string }) => text)
    expect(texts).toContainEqual(expect.stringMatching(/^its versions, from /))
    expect(texts).toContainEqual(expect.stringMatching(/^from this machine/))

    // What other programs of this machine see.
    expect((await world.get('/-/catalog/explain')).body.toString()).toContain('@acme/tool')
    vi.spyOn(node.publications, 'own').mockReturnValue([head]) // of this machine, and no peer is told
    await world.get(tarballPath(squatted), { 'npm-session': 'of-what-is-not-told' })
    const others = (await world.get('/-/catalog/explain')).body.toString()
    expect(JSON.parse(others)).toMatchObject({ explanation: { requests: 1 } })
    expect(others).not.toContain('@acme/tool')
    vi.restoreAllMocks()
  })

  test("other packages are the registry's as ever", async () => {
    expect((await world.get('/fx-plain')).status).toBe(200)
    expect((await world.get(tarballPath(plain))).status).toBe(200)
  })
})

/** Each is a step; every order of them must end in the same answers. */
const STEPS = {
  bind: () => bind('@acme/tool'),
  install: async () => {
    await world.restart()
    await world.get('/@acme/tool')
    await world.get(tarballPath(squatted))
  },
  restart: () => world.restart(),
} as const
const ORDERS = [
  ['bind', 'install', 'restart'],
  ['bind', 'restart', 'install'],
  ['install', 'bind', 'restart'],
  ['install', 'restart', 'bind'],
  ['restart', 'bind', 'install'],
  ['restart', 'install', 'bind'],
] as const

describe('what the registry said before makes no difference', () => {
  beforeEach(makeFolder)
  afterEach(close)
  test.each(ORDERS)('%s, %s, %s', async (...steps) => {
    await open()
    for (const step of steps) await STEPS[step]()
    await world.restart()
    world.upstream.forget()
    expect((await world.get('/@acme/tool')).status).toBe(404)
    expect((await world.get('/@acme/tool', { 'x-catalog-upstream': 'never' })).status).toBe(404)
    expect((await world.get(tarballPath(squatted))).status).toBe(404)
    expect((await world.get('/-/package/@acme%2ftool/dist-tags')).status).toBe(404)
    expect(world.upstream.seen).toEqual([])
    await world.upstream.stop()
    await world.restart({ upstream: null })
    expect((await world.get('/@acme/tool')).status).toBe(404)
    expect((await world.get(tarballPath(squatted))).status).toBe(404)
    await world.upstream.restart()
    await unbind()
    await world.restart()
    expect((await world.get('/@acme/tool')).status).toBe(200)
    expect((await world.get(tarballPath(squatted))).body.equals(squatted.tarball)).toBe(true)
  })
})

test('a gateway does not start with a trust file that makes no sense', async () => {
  await makeFolder()
  await open()
  await changeTrustFile(path, () => `# nothing\n`)
  await world.restart()
  await writeFile(path, 'acme is ours\n')
  await expect(world.restart()).rejects.toThrow(/trusted-publishers\.txt:1: expected/)
  await close()
})
