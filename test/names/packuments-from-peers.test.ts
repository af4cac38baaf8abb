/**
 * Metadata of packages from peers, with real QUIC: a machine that has never seen a package and has no registry in reach is told
 * of its versions by a peer that has, and gets them. What has no valid signature of the registry is not there.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageKeyOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fixturePackages, makePackage, type FixturePackage } from '../support/fixture-packages.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const packages = fixturePackages().slice(0, 8)
const names = [...new Set(packages.map(({ name }) => name))]

let folder: string
let swarm: SignedSwarm
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-packuments-'))
  swarm = await signedSwarm(folder, packages)
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Document {
  readonly name: string
  readonly 'dist-tags': Record<string, string>
  readonly versions: Record<string, { readonly dist: { readonly integrity: string } }>
  readonly time?: Record<string, string>
}

const metadata = ({ url }: Machine, name: string): Promise<Response> => fetch(`${url}/${name}`)

/** A machine that has fetched all of it from the registry. */
async function full(wanted: readonly FixturePackage[] = packages): Promise<Machine> {
  const machine = await swarm.machine()
  for (const { name } of wanted) expect((await metadata(machine, name)).status).toBe(200)
  for (const each of wanted) {
    const response = await fetch(machine.url + tarballPath(each))
    expect((await response.arrayBuffer()).byteLength).toBe(each.tarball.length)
  }
  return machine
}

async function whenListed(machine: Machine, name: string, peers = 1): Promise<void> {
  const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name })
  await vi.waitFor(() => expect(machine.node.questions.holders(key)).toHaveLength(peers), 10_000)
}

describe('with no registry in reach', () => {
  test('a package that was never seen here is told of by a peer, and comes from it', async () => {
    const first = await full()
    await swarm.registry.stop()
    const second = await swarm.machine()
    await meet(second.node, first.node, packages.length)
    for (const name of names) {
      await whenListed(second, name)
      const response = await metadata(second, name)
      expect([response.status, response.headers.get('x-catalog-metadata')]).toEqual([200, 'peer'])
      expect(Number(response.headers.get('age'))).toBeLessThan(60)
      const document = (await response.json()) as Document
      const own = packages.filter((each) => each.name === name)
      expect(Object.keys(document.versions).sort()).toEqual(own.map((each) => each.version).sort())
      for (const { version, integrity } of own) {
        expect(document.versions[version]?.dist.integrity).toBe(integrity)
      }
      expect(Object.values(document['dist-tags'])).toHaveLength(1)
    }
    for (const each of packages) {
      const response = await fetch(second.url + tarballPath(each))
      expect(Buffer.from(await response.arrayBuffer()).equals(each.tarball)).toBe(true)
    }
    // What it has from a peer is not its to tell.
    const third = await swarm.machine()
    await meet(third.node, second.node, packages.length)
    for (const name of names) {
      const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name })
      expect(third.node.questions.holders(key)).not.toContain(second.node.id)
    }
  })

  test('with peers only the registry is never asked', async () => {
    const first = await full()
    swarm.registry.forget()
    const second = await swarm.machine({ peersOnly: true })
    await meet(second.node, first.node, packages.length)
    const [each = makePackage('', '')] = packages
    await whenListed(second, each.name)
    for (let asked = 0; asked < 2; asked += 1) {
      const response = await metadata(second, each.name)
      expect([response.status, response.headers.get('x-catalog-metadata')]).toEqual([200, 'peer'])
    }
    const response = await fetch(second.url + tarballPath(each))
    expect(Buffer.from(await response.arrayBuffer()).equals(each.tarball)).toBe(true)
    expect(swarm.registry.count()).toBe(0)
  })

  test('what a machine has kept it tells of after a restart, too', async () => {
    const cachePath = join(folder, 'metadata')
    const first = await swarm.machine({ cachePath })
    const [name = ''] = names
    expect((await metadata(first, name)).status).toBe(200)
    await first[Symbol.asyncDispose]()
    await swarm.registry.stop()
    const again = await swarm.machine({ cachePath })
    const second = await swarm.machine()
    await meet(second.node, again.node, 0)
    await whenListed(second, name)
    expect((await metadata(second, name)).headers.get('x-catalog-metadata')).toBe('peer')
  })

  test('what is private is neither told nor asked for', async () => {
    const privateScopes = ['@fx']
    const first = await swarm.machine({ privateScopes })
    for (const name of names) expect((await metadata(first, name)).status).toBe(200)
    const open = await full()
    await swarm.registry.stop()
    const observer = await swarm.machine()
    await meet(observer.node, first.node, 0)
    const keyOf = (name: string) => packageKeyOf({ registry: `${swarm.registry.url}/`, name })
    const isScoped = (name: string): boolean => name.startsWith('@')
    await vi.waitFor(() => {
      for (const name of names.filter((each) => !isScoped(each))) {
        expect(observer.node.questions.holders(keyOf(name))).toContain(first.node.id)
      }
    })
    for (const name of names.filter(isScoped)) {
      expect(observer.node.questions.holders(keyOf(name))).not.toContain(first.node.id)
    }
    const secretive = await swarm.machine({ privateScopes })
    await meet(secretive.node, open.node, packages.length)
    const asked = vi.spyOn(secretive.node.questions, 'ask')
    expect((await metadata(secretive, '@fx/alpha')).status).not.toBe(200)
    expect(asked).not.toHaveBeenCalled()
  })

  test('a package that nobody has is not found', async () => {
    const first = await full()
    await swarm.registry.stop()
    const second = await swarm.machine()
    await meet(second.node, first.node, packages.length)
    expect((await metadata(second, makePackage('fx-nowhere', '1.0.0').name)).status).not.toBe(200)
  })

  test('the registry is asked again as soon as it is back', async () => {
    const first = await full()
    await swarm.registry.stop()
    const second = await swarm.machine()
    await meet(second.node, first.node, packages.length)
    const [name = ''] = names
    await whenListed(second, name)
    expect((await metadata(second, name)).headers.get('x-catalog-metadata')).toBe('peer')
    await swarm.registry.restart()
    await vi.waitFor(
      async () => {
        const response = await metadata(second, name)
        const source = response.headers.get('x-catalog-metadata')
        expect([response.status, source]).toEqual([200, 'registry'])
      },
      { timeout: 15_000, interval: 500 },
    )
  })
})

test('a machine without keys for the registry neither tells nor believes', async () => {
  const first = await full()
  await swarm.registry.stop()
  const second = await swarm.machine({ keyringPath: join(folder, 'none.json') })
  await meet(second.node, first.node, packages.length)
  const [name = ''] = names
  await whenListed(second, name)
  expect((await metadata(second, name)).status).not.toBe(200)
  expect(second.node.stats().bannedPeers).toBe(0)
})
