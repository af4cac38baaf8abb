/**
 * Tarballs asked for by name and version alone, as pnpm, Yarn, Bun and Deno ask, with a real peer beside and real QUIC: which
 * bytes they are is what the registry has signed, whoever says so, and what is not public is not asked about.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nameKeyOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fixturePackages, makePackage, type FixturePackage } from '../support/fixture-packages.ts'
import { meet, quietNode, type Machine } from '../support/machines/machine.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'
import { tarballPath } from '../support/registries/registry.ts'

const packages = fixturePackages().slice(0, 8)
const big = fixturePackages().find(({ name }) => name === 'fx-big')
const scoped = packages.filter(({ name }) => name.startsWith('@'))
const plain = packages.filter(({ name }) => !name.startsWith('@'))

let folder: string
let swarm: SignedSwarm
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-names-'))
  swarm = await signedSwarm(folder, [...packages, ...(big ? [big] : [])])
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function tarball({ url }: Machine, each: FixturePackage): Promise<Response> {
  return await fetch(url + tarballPath(each))
}

async function expectBytes(machine: Machine, each: FixturePackage): Promise<string | null> {
  const response = await tarball(machine, each)
  const bytes = Buffer.from(await response.arrayBuffer())
  expect({ status: response.status, size: bytes.length }).toEqual({
    status: 200,
    size: each.tarball.length,
  })
  expect(Buffer.compare(bytes, each.tarball)).toBe(0)
  return response.headers.get('x-catalog-source')
}

/** A machine that has fetched all of these from the registry, and says so. */
async function full(wanted: readonly FixturePackage[]): Promise<Machine> {
  const machine = await swarm.machine()
  for (const each of wanted) await expectBytes(machine, each)
  await vi.waitFor(() => {
    for (const each of wanted) expect(machine.node.findRecord(versionOf(each))).toBeDefined()
  })
  return machine
}

const versionOf = ({ name, version }: FixturePackage) => ({
  registry: `${swarm.registry.url}/`,
  ...{ name, version },
})

/** Until `machine` has heard that `other` has these. */
async function whenListed(
  machine: Machine,
  other: Machine,
  wanted: readonly FixturePackage[],
): Promise<void> {
  await vi.waitFor(() => {
    for (const each of wanted) {
      const key = nameKeyOf(versionOf(each))
      expect(machine.node.questions.holders(key)).toContain(other.node.id)
    }
  })
}

describe('with no registry in reach', () => {
  test('every version that a peer has comes from it, and is passed on in turn', async () => {
    const first = await full([...packages, ...(big ? [big] : [])])
    await swarm.registry.stop()
    let other = first
    for (let passed = 0; passed < 2; passed += 1) {
      const next = await swarm.machine()
      await meet(next.node, other.node, packages.length + 1)
      await whenListed(next, other, packages)
      for (const each of [...packages, ...(big ? [big] : [])]) {
        expect(await expectBytes(next, each)).toBe('peer')
      }
      other = next
    }
  })

  test('a version that nobody has is not found', async () => {
    const first = await full(packages)
    await swarm.registry.stop()
    const second = await swarm.machine()
    await meet(second.node, first.node, packages.length)
    const response = await tarball(second, makePackage('fx-nowhere', '1.0.0'))
    expect(response.status).not.toBe(200)
  })
})

describe('with a registry', () => {
  test('a peer that has it spares every request to the registry', async () => {
    const first = await full(packages)
    const second = await swarm.machine()
    await meet(second.node, first.node, packages.length)
    await whenListed(second, first, packages)
    swarm.registry.forget()
    for (const each of packages) expect(await expectBytes(second, each)).toBe('peer')
    expect(swarm.registry.requests.map(({ path }) => path)).toEqual([])
  })

  test('a record signed by a key of nobody here counts for nothing', async () => {
    const first = await full(plain)
    const stranger = await swarm.machine({ keyringPath: join(folder, 'none.json') })
    await meet(stranger.node, first.node, plain.length)
    await whenListed(stranger, first, plain)
    const [each] = plain
    if (each === undefined) throw new Error('no package')
    swarm.registry.forget()
    expect(await expectBytes(stranger, each)).toBe('peer')
    // Which bytes it is was the registry's word.
    expect(swarm.registry.count()).toBeGreaterThan(0)
    expect(stranger.node.findRecord(versionOf(each))).toBeUndefined()
    expect(stranger.node.stats().bannedPeers).toBe(0)
  })
})

describe('what is not public', () => {
  test('is neither told by name nor asked about', async () => {
    const first = await swarm.machine({ privateScopes: ['@fx'] })
    for (const each of packages) await expectBytes(first, each)
    await vi.waitFor(() => {
      for (const each of plain) expect(first.node.findRecord(versionOf(each))).toBeDefined()
    })
    for (const each of scoped) expect(first.node.findRecord(versionOf(each))).toBeUndefined()
    const observer = await quietNode()
    try {
      await meet(observer, first.node, plain.length)
      // Versions alone: for a tarball no metadata of the whole package was fetched.
      const names = plain.length
      await vi.waitFor(() => expect(observer.peers()[0]?.names).toBe(names))
    } finally {
      await observer.close()
    }
    const asked = vi.spyOn(first.node, 'resolve')
    const second = makePackage('@fx/unheard-of', '9.9.9')
    expect((await tarball(first, second)).status).not.toBe(200)
    expect(asked).not.toHaveBeenCalled()
  })
})
