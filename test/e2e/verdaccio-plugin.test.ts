/**
 * The Verdaccio plugin in the real Verdaccio, each in a process of its own, with real QUIC between them: several of them as
 * one cache that outlives its registry and its members, what is checked before it is stored, what peers get and what they do
 * not, and what happens when something is missing.
 */
import { digestOf, parseDigest, type CatalogNode } from '@catalog-p2p/core'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { createWorkspace, mustRunClient, runClient, type Workspace } from '../support/client.ts'
import { eventually } from '../support/daemon.ts'
import {
  expectedInstall,
  fixturePackages,
  fixtureProject,
  incompressibleBytes,
  makePackage,
  type FixturePackage,
} from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { quietNode, startMachine } from '../support/machines/machine.ts'
import { readText } from '../support/source-tree.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'
import { until } from '../support/until.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'
import {
  nodeIsUp,
  quietNetwork,
  startVerdaccio,
  VERDACCIO_PROGRAM,
  type Verdaccio,
} from '../support/registries/verdaccio.ts'

const unavailable = existsSync(VERDACCIO_PROGRAM)
  ? undefined
  : 'test/clients is not set up: run `npm test` once'
if (unavailable !== undefined) console.log(`verdaccio: left out, ${unavailable}`)

const fixtures = fixturePackages()
const wanted = expectedInstall(fixtures)
const big = incompressibleBytes(3_000_000, 'tampered')

/** Packages that are not as their metadata says, or for not everybody. */
const odd = {
  tampered: tamper(makePackage('odd-tampered', '1.0.0')),
  tamperedBig: tamper(
    makePackage('odd-tampered-big', '1.0.0', {}, [{ path: 'data.bin', content: big }]),
  ),
  old: without(makePackage('odd-old', '1.0.0'), ['integrity']),
  oldTampered: without(tamper(makePackage('odd-old-tampered', '1.0.0')), ['integrity']),
  bare: without(makePackage('odd-bare', '1.0.0'), ['integrity', 'shasum']),
  secret: makePackage('@team/secret', '1.0.0'),
  withheld: makePackage('withheld-lib', '1.0.0'),
}

let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({
    packages: [...fixtures, ...Object.values(odd)],
    tarballs: 'self',
  })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

/** Limits as the README advises them. */
function config(more: Record<string, unknown> = {}): Record<string, unknown> {
  const limits = { maxage: '1s', max_fails: 1000, fail_timeout: '1s', timeout: '60s' }
  const url = `${registry.url}/`
  return {
    uplinks: {
      main: { url, ...limits },
      behind: { url, ...limits, auth: { type: 'bearer', token: 'for this uplink only' } },
    },
    packages: {
      '@team/*': { access: '$all', proxy: 'behind' },
      '@acme/*': { access: '$all', publish: '$all', unpublish: '$all' },
      '**': { access: '$all', publish: '$all', unpublish: '$all', proxy: 'main' },
    },
    ...more,
  }
}

describe.skipIf(unavailable !== undefined)('several Verdaccios are one cache', () => {
  let a: Verdaccio
  let b: Verdaccio
  let lockfile: string
  const unseen = find('fx-optional-host')

  beforeAll(async () => {
    a = await startPlugged('a')
    const { node } = await nodeIsUp(a)
    const addresses = (node?.addresses ?? []).filter((each) => each.includes('/quic-v1'))
    b = await startPlugged('b', { network: quietNetwork(addresses) })
    await nodeIsUp(b)
  })

  afterAll(async () => {
    await a?.stop()
    await b?.stop()
    await registry.restart()
  })

  test('one gets the packages from the registry', async () => {
    const { cwd, home } = await project()
    await mustRunClient('npm-11', ['install'], { cwd, home, registry: a.url })
    expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
    lockfile = await readFile(join(cwd, 'package-lock.json'), 'utf8')
    await get(a, unseen)

    const { tarballs, node } = await a.status()
    expect(tarballs.uplink.artifacts).toBe(wanted.size + 1)
    expect(node?.store.artifacts).toBe(wanted.size + 1)
  })

  test('the other, with the registry gone, gets all of them from the first', async () => {
    for (const name of new Set(fixtures.map((each) => each.name))) {
      if (name === unseen.name) continue
      expect((await fetch(`${b.url}/${name.replace('/', '%2f')}`)).status).toBe(200)
    }
    await registry.stop()
    await eventually(async () => {
      const heard = (await b.status()).node?.known?.[0]?.artifacts ?? 0
      expect(heard).toBe(wanted.size + 1)
    }, 20_000)
    const { cwd, home } = await project()
    await writeFile(join(cwd, 'package-lock.json'), lockfile)

    // The lockfile names the first one, as Verdaccio's metadata does.
    const args = ['ci', '--replace-registry-host=always']
    await mustRunClient('npm-11', args, { cwd, home, registry: b.url })

    expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
    const { tarballs } = await b.status()
    expect(tarballs.peer.artifacts).toBe(wanted.size)
    expect(tarballs.uplink.artifacts).toBe(0)
  })

  test('a package whose metadata it never saw comes by the digest in the lockfile, or not at all', async () => {
    const url = b.url + tarballPath(unseen)
    const ask = (headers: Record<string, string>) => fetch(url, { headers })
    const found = await ask({ 'pacote-integrity': unseen.integrity })
    expect(found.status).toBe(200)
    expect(Buffer.from(await found.arrayBuffer()).equals(unseen.tarball)).toBe(true)
    expect((await ask({})).status).toBe(404)
    const other = digestOf(Buffer.from('what nobody has'))
    expect((await ask({ 'pacote-integrity': other })).status).toBe(404)
    expect(await storedTarballs(b)).not.toContain('fx-optional-host-1.0.0.tgz')
    expect((await b.status()).rescued).toBe(1)
  })

  test('with the first one dead as well, the other serves a new client', async () => {
    expect(await a.stop('SIGKILL')).toBe('SIGKILL')
    const { cwd, home } = await project()
    await mustRunClient('npm-11', ['install'], { cwd, home, registry: b.url })
    expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
  })

  test.each(['npm-10', 'npm-11', 'npm-12'] as const)(
    "%s ci with the dead one's lockfile gets all from the other only if told to replace its address",
    async (npm) => {
      const { cwd, home } = await project()
      const run = { cwd, home, registry: b.url, env: { npm_config_fetch_retries: '0' } }
      await writeFile(join(cwd, 'package-lock.json'), lockfile)
      expect(lockfile).toContain(`"resolved": "${a.url}/`)

      const { exitCode, output } = await runClient(npm, ['ci'], run)
      expect(exitCode).not.toBe(0)
      if (npm === 'npm-12') expect(output).toContain('EALLOWREMOTE')
      await mustRunClient(npm, ['ci', '--replace-registry-host=always'], run)

      expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
      expect(await readFile(join(cwd, 'package-lock.json'), 'utf8')).toBe(lockfile)
    },
  )

  test('a lockfile without addresses needs no such word', async () => {
    const { cwd, home } = await project()
    const run = { cwd, home, registry: b.url }
    await mustRunClient('npm-11', ['install', '--omit-lockfile-registry-resolved'], run)
    const made = await readFile(join(cwd, 'package-lock.json'), 'utf8')
    expect(made).not.toContain(b.url)
    const other = await project()
    await writeFile(join(other.cwd, 'package-lock.json'), made)
    await mustRunClient('npm-11', ['ci'], { ...other, registry: b.url })
    expect(await readInstalled(other.cwd)).toEqual(asInstalled(fixtures, wanted))
  })

  test('one that dies in the middle of an install, with the registry back, costs nothing', async () => {
    await registry.restart()
    const { node } = await b.status()
    const addresses = (node?.addresses ?? []).filter((each) => each.includes('/quic-v1'))
    // So slow that the large package is under way for seconds.
    const transfer = { downloadRate: 1_000_000 }
    await using c = await startPlugged('c', { network: quietNetwork(addresses), transfer })
    await nodeIsUp(c)
    await eventually(async () => {
      expect((await c.status()).node?.known?.[0]?.artifacts).toBe(wanted.size + 1)
    }, 20_000)
    const { cwd, home } = await project()
    const installing = mustRunClient('npm-11', ['install'], { cwd, home, registry: c.url })
    await eventually(async () => {
      expect((await c.status()).tarballs.peer.artifacts).toBeGreaterThan(3)
    }, 30_000)
    expect(await b.stop('SIGKILL')).toBe('SIGKILL')

    await installing
    expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
    const { tarballs } = await c.status()
    expect(tarballs.uplink.artifacts).toBeGreaterThan(0)
    expect(tarballs.peer.artifacts + tarballs.uplink.artifacts).toBe(wanted.size)
  })
})

describe.skipIf(unavailable !== undefined)('what is stored is what the metadata names', () => {
  let verdaccio: Verdaccio
  beforeAll(async () => {
    verdaccio = await startPlugged('integrity')
    await nodeIsUp(verdaccio)
  })
  afterAll(() => verdaccio?.stop())

  test.each([
    ['a sha512', odd.tampered],
    ['a sha1', odd.oldTampered],
  ])('other bytes than %s names are refused, and kept nowhere', async (_, each) => {
    const before = await verdaccio.status()
    const response = await fetch(verdaccio.url + tarballPath(each))
    const { error } = (await response.json()) as { error: string }

    expect(response.status).toBe(502)
    expect(error).toContain(`${each.name}@1.0.0`)
    expect(error).toContain('does not match')
    await expectNowhere(verdaccio, each)
    await says(verdaccio, `tarball.integrity package=${each.name}@1.0.0`)
    const after = await verdaccio.status()
    expect(after.integrityFailures.uplink).toBe(before.integrityFailures.uplink + 1)
    expect(after.node?.announced).toBe(before.node?.announced)
  })

  test('a large one of other bytes never ends', async () => {
    const response = await fetch(verdaccio.url + tarballPath(odd.tamperedBig))
    expect(response.status).toBe(200)
    await expect(response.arrayBuffer()).rejects.toThrow()
    await expectNowhere(verdaccio, odd.tamperedBig)
  })

  test('an old package is checked by its sha1, stored and seeded', async () => {
    await get(verdaccio, odd.old)
    await eventually(async () => expect((await verdaccio.status()).seeded).toBe(1), 20_000)
    expect(await storedTarballs(verdaccio)).toContain('odd-old-1.0.0.tgz')
  })

  test('what can not be checked is passed on, and not stored', async () => {
    await get(verdaccio, odd.bare)
    await expectNowhere(verdaccio, odd.bare)
    expect((await verdaccio.status()).unverifiable).toBe(1)
    await says(verdaccio, 'tarball.unverifiable package=odd-bare@1.0.0')
  })

  test('an uplink that answers 404 is told as it is', async () => {
    const response = await fetch(`${verdaccio.url}/fx-leaf/-/fx-leaf-9.9.9.tgz`)
    expect(response.status).toBe(404)
  })
})

describe.skipIf(unavailable !== undefined)('peers get what is public, and nothing else', () => {
  const published = makePackage('@acme/listed', '1.0.0')
  const unlisted = makePackage('inner-lib', '1.0.0')
  const leaf = find('fx-leaf')
  let folder: string
  let verdaccio: Verdaccio
  let peer: CatalogNode

  beforeAll(async () => {
    folder = await workspace.folder('seeding')
    // What a Verdaccio without the plugin has gathered; it takes what the plugin would not.
    const plain = await startVerdaccio({ folder, config: config() })
    for (const each of [leaf, odd.secret, odd.withheld, odd.tampered]) await get(plain, each)
    for (const each of [published, unlisted]) await publish(plain, each)
    await plain.stop()

    const plugin = { seed: ['@acme/*'], private: ['withheld-*'] }
    verdaccio = await startPlugged('seeding', plugin, folder)
    const { node } = await nodeIsUp(verdaccio)
    await eventually(async () => expect((await verdaccio.status()).seeded).toBe(2), 20_000)
    peer = await quietNode()
    const address = node?.addresses?.find((each) => each.includes('/quic-v1')) ?? ''
    await peer.connect(address)
    await until(() => peer.peers()[0]?.artifacts === 2, { deadlineMs: 20_000 })
  })

  afterAll(async () => {
    await peer?.close()
    await verdaccio?.stop()
  })

  const has = async (each: { integrity: string }): Promise<boolean> => {
    const digest = parseDigest(each.integrity)
    const got = await peer.get(digest, { signal: AbortSignal.timeout(20_000) }).then(
      (artifact) => artifact.source,
      (error: unknown) => (error as { code?: string }).code,
    )
    expect(['peer', 'NO_PROVIDERS']).toContain(got)
    return got === 'peer'
  }

  test('the storage of before is seeded: what is public, and what is listed', async () => {
    expect(await has(leaf)).toBe(true)
    expect(await has(published)).toBe(true)
    expect(await has(unlisted)).toBe(false)
    expect(await has(odd.secret)).toBe(false)
    expect(await has(odd.withheld)).toBe(false)
    await says(verdaccio, 'seeding.damaged package=odd-tampered@1.0.0')
  })

  test('what comes through an uplink with credentials stays here', async () => {
    const again = await startPlugged('credentials')
    onTestFinished(async () => void (await again.stop()))
    await nodeIsUp(again)
    await get(again, odd.secret)
    await eventually(async () => {
      expect(await storedTarballs(again)).toEqual(['secret-1.0.0.tgz'])
    }, 10_000)
    const { tarballs, node } = await again.status()
    expect(tarballs.uplink.artifacts).toBe(1)
    expect(node).toMatchObject({ announced: 0, store: { artifacts: 0 } })
  })

  test('what is published is seeded if it is listed, and taken back when it is unpublished', async () => {
    const listed = makePackage('@acme/later', '2.0.0')
    await publish(verdaccio, listed)
    await eventually(async () => expect((await verdaccio.status()).seeded).toBe(3), 20_000)
    const before = (await verdaccio.status()).node?.store.artifacts ?? 0

    const unpublished = await fetch(`${verdaccio.url}/@acme%2flater/-rev/1-x`, { method: 'DELETE' })

    expect(unpublished.status).toBe(201)
    await eventually(async () => expect((await verdaccio.status()).withdrawn).toBe(1), 20_000)
    expect((await verdaccio.status()).node?.store.artifacts).toBe(before - 1)
    expect(await has(listed)).toBe(false)
  })

  test('what the configuration withholds later is taken back before a peer is met', async () => {
    expect(await verdaccio.stop()).toBe('SIGTERM')
    await peer.close()
    const plugin = { private: ['withheld-*', leaf.name], seedExisting: false }
    verdaccio = await startPlugged('seeding', plugin, folder)
    const { node } = await nodeIsUp(verdaccio)
    await says(verdaccio, 'privacy.applied kept=0 removed=2')
    expect(node).toMatchObject({ announced: 0, store: { artifacts: 0 } })
    peer = await quietNode()
    await peer.connect(node?.addresses?.find((each) => each.includes('/quic-v1')) ?? '')
    expect(await has(leaf)).toBe(false)
    expect(await has(published)).toBe(false)
  })
})

describe.skipIf(unavailable !== undefined)(
  'a registry that fails in the middle',
  { tags: ['long'] },
  () => {
    const huge = makePackage('fx-huge', '1.0.0', {}, [
      { path: 'data.bin', content: incompressibleBytes(24_000_000, 'huge') },
    ])
    let upstream: FaultyUpstream
    let verdaccio: Verdaccio

    beforeAll(async () => {
      upstream = await startUpstream([...fixtures, huge])
      const uplinks = { main: { url: upstream.url, max_fails: 1000, fail_timeout: '1s' } }
      verdaccio = await startVerdaccio({
        folder: await workspace.folder('faulty'),
        config: config({ uplinks }),
        plugin: { network: quietNetwork(), status: 'full' },
      })
      await nodeIsUp(verdaccio)
    })
    afterAll(async () => {
      await verdaccio?.stop()
      await upstream?.stop()
    })

    test('is asked again where it broke off; what it sends wrong or refuses, the client asks for again', async () => {
      upstream.fault(/fx-big.*tgz/, { kind: 'truncate', bytes: 3_000_000 }, 1)
      upstream.fault(/fx-leaf-1.3.0.tgz/, { kind: 'wrong-bytes' }, 1)
      upstream.fault(/fx-colors.*tgz/, { kind: 'status', status: 503 }, 1)
      upstream.fault(/fx-dev.*tgz/, { kind: 'reset' }, 1)
      const { cwd, home } = await project()
      const env = { npm_config_fetch_retry_mintimeout: '50' }
      await mustRunClient('npm-11', ['install'], { cwd, home, registry: verdaccio.url, env })
      expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
      const status = await verdaccio.status()
      expect(status.integrityFailures.uplink).toBe(1)
      expect(status.fallbacks).toBeGreaterThanOrEqual(1)
      const leaf = join(verdaccio.storage, 'fx-leaf', 'fx-leaf-1.3.0.tgz')
      expect(digestOf(await readFile(leaf))).toBe(find('fx-leaf', '1.3.0').integrity)
    })

    test('a client that goes away in the middle does not keep the tarball from being stored', async () => {
      const response = await fetch(verdaccio.url + tarballPath(huge))
      const reader = response.body?.getReader()
      await reader?.read()
      await reader?.cancel()
      await eventually(async () => {
        expect(await storedTarballs(verdaccio)).toContain('fx-huge-1.0.0.tgz')
      }, 20_000)
      expect(upstream.count(/fx-huge.*tgz/)).toBe(1)
    })
  },
)

describe.skipIf(unavailable !== undefined)(
  'with a catalog daemon on the machine',
  { tags: ['long'] },
  () => {
    test('as an uplink, without the plugin', async () => {
      await using machine = await startMachine({ upstream: registry.url })
      const folder = await workspace.folder('uplink')
      const advised = readmeConfig(/catalog:\n {4}url/, { catalog: `${machine.url}/` })
      await using verdaccio = await startVerdaccio({ folder, config: advised })
      const { cwd, home } = await project()
      await mustRunClient('npm-11', ['install'], { cwd, home, registry: verdaccio.url })
      expect(await readInstalled(cwd)).toEqual(asInstalled(fixtures, wanted))
      expect(machine.gateway.stats().tarballs.origin.artifacts).toBe(wanted.size)
    })

    test('joined by the plugin; and gone in the middle, uplinks go on', async () => {
      const machine = await startMachine({ upstream: registry.url })
      onTestFinished(() => machine[Symbol.asyncDispose]())
      const daemon = { mode: 'daemon', daemon: machine.url, status: 'full' }
      const folder = await workspace.folder('joined')
      await using verdaccio = await startVerdaccio({ folder, config: config(), plugin: daemon })
      await says(verdaccio, 'daemon.found')

      await get(verdaccio, find('fx-big'))
      await get(verdaccio, odd.secret)
      const asked = machine.gateway.stats().requests.tarball
      expect(asked).toBe(1)
      await machine[Symbol.asyncDispose]()
      await get(verdaccio, find('fx-leaf'))

      const { tarballs } = await verdaccio.status()
      expect(tarballs.daemon.artifacts).toBe(1)
      expect(tarballs.uplink.artifacts).toBe(2)
      await says(verdaccio, 'daemon.unreachable')
    })

    test('it is said that the storage is not seeded through it, and Verdaccio serves', async () => {
      const folder = await workspace.folder('unseedable')
      const plugin = { mode: 'daemon', daemon: 'http://127.0.0.1:1/', seedExisting: true }
      await using verdaccio = await startVerdaccio({ folder, config: config(), plugin })
      await says(verdaccio, 'config.invalid')
      await says(verdaccio, 'seedExisting: needs mode: node')
      await get(verdaccio, find('fx-leaf'))
    })
  },
)

test.skipIf(unavailable !== undefined)(
  'the configuration of the README is one that works',
  async () => {
    const { middlewares, ...config } = readmeConfig(/mode: node/, { npmjs: `${registry.url}/` })
    const advised = (middlewares as Record<string, { network: object }>)['catalog-p2p']
    const plugin = { ...advised, network: { ...advised?.network, ...quietNetwork() } }
    const folder = await workspace.folder('readme')
    await using verdaccio = await startVerdaccio({ folder, config, plugin })
    await nodeIsUp(verdaccio)
    await get(verdaccio, find('fx-leaf'))
    expect((await verdaccio.status()).node?.announced).toBe(1)
    expect(await readdir(join(folder, 'catalog-p2p'))).toContain('identity.key')
  },
)

describe.skipIf(unavailable !== undefined)('Verdaccio works as without the plugin', () => {
  test('when the configuration is wrong, and says all that is', async () => {
    const folder = await workspace.folder('wrong')
    const plugin = { mode: 'p2p', quota: 'much', sead: ['@acme/*'] }
    await using verdaccio = await startVerdaccio({ folder, config: config(), plugin })
    await get(verdaccio, find('fx-leaf'))
    await says(verdaccio, /config\.invalid.*mode: .*quota: .*sead: no such setting/)
    expect((await fetch(`${verdaccio.url}/-/catalog/status`)).status).toBe(404)
  })

  test("when another one has the node's store, or the node's settings are wrong", async () => {
    const store = await workspace.folder('store')
    await using first = await startPlugged('first', { store })
    await nodeIsUp(first)
    await using second = await startPlugged('second', { store, status: 'summary' })
    await says(second, 'node.failed')
    await get(second, find('fx-leaf'))
    expect((await fetch(second.url + tarballPath(odd.tampered))).status).toBe(502)
    const status = await second.status()
    expect(status.state).toBe('failed')
    expect(status.tarballs.uplink.artifacts).toBe(1)
    expect(second.output().match(/node\.failed/g)).toHaveLength(1)

    const plugin = { network: { prot: 4875 } }
    await using third = await startPlugged('third', plugin)
    await says(third, /node\.failed.*prot/)
    await get(third, find('fx-leaf'))
  })

  test('in how it ends, by a signal and by its own handling of signals', async () => {
    const plain = await startPlugged('ended')
    const { node } = await nodeIsUp(plain)
    expect(node).toBeDefined()
    expect(await plain.stop('SIGTERM')).toBe('SIGTERM')

    const env = { VERDACCIO_HANDLE_KILL_SIGNALS: 'true' }
    const folder = await workspace.folder('graceful')
    const plugin = { network: quietNetwork() }
    const graceful = await startVerdaccio({ folder, config: config(), plugin, env })
    await nodeIsUp(graceful)
    expect(await graceful.stop('SIGINT')).toBe(0)
  })

  test('and strangers learn no addresses from its status', async () => {
    await using verdaccio = await startPlugged('quiet', { status: 'summary' })
    await nodeIsUp(verdaccio)
    const text = JSON.stringify(await verdaccio.status())
    expect(text).toContain('"announced":')
    expect(text).not.toMatch(/127\.0\.0\.1|ip4|"id"|known/)
    const metrics = await fetch(`${verdaccio.url}/-/catalog/metrics`)
    expect(metrics.headers.get('content-type')).toContain('text/plain')
    expect(await metrics.text()).toContain('catalog_verdaccio_node_up 1')
  })
})

/** The block of the README that matches, with other addresses for its uplinks. */
function readmeConfig(match: RegExp, urls: Record<string, string>): Record<string, unknown> {
  const readme = readText('plugins/verdaccio/README.md')
  const blocks = [...readme.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text ?? '')
  const found = blocks.find((text) => match.test(text)) ?? ''
  const parsed = parse(found) as { uplinks: Record<string, { url: string }> }
  for (const [name, url] of Object.entries(urls)) {
    parsed.uplinks[name] = { ...parsed.uplinks[name], url }
  }
  return parsed
}

async function startPlugged(
  name: string,
  plugin: Record<string, unknown> = {},
  folder?: string,
): Promise<Verdaccio> {
  return await startVerdaccio({
    folder: folder ?? (await workspace.folder(name)),
    config: config(),
    plugin: { network: quietNetwork(), status: 'full', ...plugin },
  })
}

async function project(): Promise<{ cwd: string; home: string }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject))
  return { cwd, home: await workspace.folder('home') }
}

/** Must give exactly its bytes. */
async function get(verdaccio: Verdaccio, each: FixturePackage): Promise<void> {
  const response = await fetch(verdaccio.url + tarballPath(each))
  expect(response.status, each.name).toBe(200)
  const bytes = Buffer.from(await response.arrayBuffer())
  expect(bytes.equals(each.tarball), each.name).toBe(true)
}

/** As npm does it, by hand: npm itself would want to log in. */
async function publish(verdaccio: Verdaccio, each: FixturePackage): Promise<void> {
  const { name, version, integrity, shasum, tarball } = each
  const file = `${name}-${version}.tgz`
  const dist = { integrity, shasum, tarball: verdaccio.url + tarballPath(each) }
  const body = {
    ...{ _id: name, name, 'dist-tags': { latest: version } },
    versions: { [version]: { ...each.manifest, _id: `${name}@${version}`, dist } },
    _attachments: {
      [file]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: tarball.byteLength,
      },
    },
  }
  const response = await fetch(`${verdaccio.url}/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status, await response.text()).toBe(201)
}

/** Its log comes out with a delay. */
async function says(verdaccio: Verdaccio, words: string | RegExp): Promise<void> {
  const isSaid = (): boolean =>
    typeof words === 'string' ? verdaccio.output().includes(words) : words.test(verdaccio.output())
  await until(isSaid, { deadlineMs: 30_000, what: `Verdaccio says ${words}` })
}

async function storedTarballs(verdaccio: Verdaccio): Promise<string[]> {
  const files = await readdir(verdaccio.storage, { recursive: true })
  return files.filter((each) => /\.tgz/.test(each)).map((each) => each.split(/[\\/]/).at(-1) ?? '')
}

/** Neither as a file nor as what is left of one. */
async function expectNowhere(verdaccio: Verdaccio, each: FixturePackage): Promise<void> {
  await eventually(async () => {
    const files = await storedTarballs(verdaccio)
    expect(files.filter((file) => file.startsWith(`${each.name}-`))).toEqual([])
  }, 10_000)
}

function find(name: string, version?: string): FixturePackage {
  const found = fixtures.find(
    (each) => each.name === name && (version === undefined || each.version === version),
  )
  if (found === undefined) throw new Error(`no such fixture: ${name}`)
  return found
}

/** Its bytes are not those that it is announced with. */
function tamper(each: FixturePackage): FixturePackage {
  const tarball = Buffer.from(each.tarball)
  tarball[10] = (tarball[10] ?? 0) ^ 0xff
  return { ...each, tarball }
}

/** As registries of old times have it: JSON drops what is undefined. */
function without(each: FixturePackage, fields: ('integrity' | 'shasum')[]): FixturePackage {
  return { ...each, ...Object.fromEntries(fields.map((field) => [field, undefined])) }
}
