/** Packages of the network between real nodes over real QUIC, with no registry anywhere. */
import {
  keyIdOf,
  registryOf,
  type CatalogNode,
  type NodeDependencies,
  type NodeOptions,
} from '@catalog-p2p/core'
import { afterEach, expect, test, vi } from 'vitest'
import { meet, quietNode } from '../support/machines/machine.ts'
import { bytesOf, keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'

const key = keyOf('ann')
const publisher = keyIdOf(key.publicKey)
const NAME = '@acme/tool'

const nodes: CatalogNode[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()))
})

async function node(
  deps: NodeDependencies = {},
  network: NodeOptions['network'] = {},
): Promise<CatalogNode> {
  const made = await quietNode(
    { network },
    { trustsPublisher: (id) => id.publisher === publisher, ...deps },
  )
  nodes.push(made)
  return made
}

test('what one publishes another finds, reads and installs; a third has it from the second', async () => {
  const first = await node()
  const input = packageOf(NAME, '1.0.0')
  const { release, head, assetId } = await first.publications.publish(input, key, signalOf())
  expect(assetId).toBe(`catalog:@acme/tool@1.0.0:${Buffer.from(release.root).toString('hex')}`)

  const second = await node()
  await meet(second, first, 2)
  const found = await second.publications.head({ name: NAME, publisher }, signalOf())
  expect(found).toEqual(head)
  const [read] = await second.publications.releases(head, signalOf())
  expect(read).toEqual(release)
  expect(Buffer.compare(await bytesOf(second, release.digest), input.tarball)).toBe(0)
  await first.close()

  const third = await node()
  await meet(third, second, 2)
  expect(await third.publications.head({ name: NAME, publisher }, signalOf())).toEqual(head)
  expect(await third.publications.release(head, '1.0.0', signalOf())).toEqual(release)
  // And by name alone, in one round trip: a release is a record.
  const version = { registry: registryOf(publisher), name: NAME, version: '1.0.0' }
  await vi.waitFor(async () => {
    expect((await third.resolve(version, signalOf()))?.digest).toBe(release.digest)
  })
  expect(third.has(release.digest)).toBe(true)
})

test('a new version, a moved tag, a deprecation and an unpublished version arrive', async () => {
  const [first, second] = [await node(), await node()]
  const { publications } = first
  await publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
  await meet(second, first, 2)
  const look = () =>
    second.publications.head({ name: NAME, publisher }, { ...signalOf(), maxAgeMs: 0 })
  expect((await look())?.sequence).toBe(1)

  const next = packageOf(NAME, '2.0.0-beta', { tags: ['next'] })
  const beta = await publications.publish(next, key, signalOf())
  expect(Object.fromEntries((await look())?.tags ?? [])).toEqual({
    latest: '1.0.0',
    next: '2.0.0-beta',
  })
  const options = { key, ...signalOf() }
  await publications.change(NAME, { tags: { latest: '2.0.0-beta', next: null } }, options)
  await publications.change(NAME, { deprecations: { '1.0.0': 'use 2' } }, options)
  const changed = await look()
  expect(changed?.sequence).toBe(4)
  expect(Object.fromEntries(changed?.tags ?? [])).toEqual({ latest: '2.0.0-beta' })
  expect(changed?.releases.get('1.0.0')?.deprecated).toBe('use 2')

  await publications.change(NAME, { unpublish: ['2.0.0-beta'] }, options)
  const last = await look()
  expect([...(last?.releases.keys() ?? [])]).toEqual(['1.0.0'])
  expect(last?.tags.size).toBe(0)
  // Not even its publisher has it any more.
  expect(first.has(beta.release.digest)).toBe(false)
  const again = packageOf(NAME, '2.0.0-beta')
  await expect(publications.publish(again, key, signalOf())).rejects.toMatchObject({
    code: 'ALREADY_PUBLISHED',
  })
})

test('a key that nobody trusts for the name publishes, and nobody believes its records', async () => {
  const stranger = keyOf('stranger')
  const [first, second] = [await node(), await node()]
  const { release } = await first.publications.publish(
    packageOf(NAME, '1.0.0'),
    stranger,
    signalOf(),
  )
  await meet(second, first, 2)
  // Its place is another one: who trusts Ann's key does not even see it.
  expect(await second.publications.head({ name: NAME, publisher }, signalOf())).toBeUndefined()
  const registry = registryOf(release.publisher)
  const version = { registry, name: NAME, version: '1.0.0' }
  await vi.waitFor(() => expect(second.peers()[0]?.names).toBeGreaterThan(0))
  expect(await second.resolve(version, signalOf())).toBeUndefined()
  expect(second.stats().bannedPeers).toBe(0)
})

test('what is private is told to nobody', async () => {
  const [first, second] = [await node(), await node()]
  const input = packageOf(NAME, '1.0.0', { visibility: 'private' })
  const { head } = await first.publications.publish(input, key, signalOf())
  await first.publications.publish(packageOf('open', '1.0.0'), key, signalOf())
  await meet(second, first, 2)
  await vi.waitFor(() => expect(second.peers()[0]?.names).toBe(2)) // the head and the record of `open`
  expect(second.peers()[0]?.artifacts).toBe(2)
  expect(await second.publications.head({ name: NAME, publisher }, signalOf())).toBeUndefined()
  expect(first.publications.own()).toContainEqual(head)
  // Nor does it become public with a later version, whose head would name this one.
  for (const visibility of ['public', 'private'] as const) {
    const other = packageOf(visibility === 'public' ? NAME : 'open', '2.0.0', { visibility })
    await expect(first.publications.publish(other, key, signalOf())).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })
  }
})

test('a reader that has never met the publisher finds it through the DHT', async () => {
  const network = { dht: true, bootstrapServer: true }
  const [author, middle, reader] = [
    await node({}, network),
    await node({}, network),
    await node({}, network),
  ]
  const { head, release } = await author.publications.publish(
    packageOf(NAME, '1.0.0'),
    key,
    signalOf(),
  )
  const addressOf = (other: CatalogNode): string =>
    other.stats().addresses.find((each) => each.includes('/quic-v1')) ?? ''
  await author.connect(addressOf(middle))
  await reader.connect(addressOf(middle))
  const id = { name: NAME, publisher }
  await vi.waitFor(
    async () =>
      expect(await reader.publications.head(id, { ...signalOf(), maxAgeMs: 0 })).toEqual(head),
    { timeout: 20_000, interval: 200 },
  )
  // And the release by its provider record, from the author itself.
  await vi.waitFor(
    async () =>
      expect(await reader.publications.release(head, '1.0.0', signalOf())).toEqual(release),
    { timeout: 20_000, interval: 200 },
  )
})

test('a publisher that is trusted no more has its records believed and passed on no more', async () => {
  let trusted = true
  const [first, second] = [await node(), await node({ trustsPublisher: () => trusted })]
  await first.publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
  await meet(second, first, 2)
  const version = { registry: registryOf(publisher), name: NAME, version: '1.0.0' }
  await vi.waitFor(async () => expect(await second.resolve(version, signalOf())).toBeDefined())
  const third = await node()
  await first.close()
  await meet(third, second, 1)
  await vi.waitFor(() => expect(third.peers()[0]?.names).toBeGreaterThan(0))
  trusted = false
  expect(second.findRecord(version)).toBeUndefined()
  expect(await third.resolve(version, signalOf())).toBeUndefined()
  trusted = true
  expect((await third.resolve(version, signalOf()))?.name).toBe(NAME)
})

test('what was asked for too early is found as soon as a peer has it', async () => {
  const [first, second] = [await node(), await node()]
  await meet(second, first, 0)
  const look = () => second.publications.head({ name: NAME, publisher }, signalOf())
  expect(await look()).toBeUndefined()
  const { head } = await first.publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
  await vi.waitFor(async () => expect(await look()).toEqual(head), { timeout: 5_000 })
})
