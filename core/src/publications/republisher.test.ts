/** Heads in the DHT when their publisher has gone: in memory, with time that the test moves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { keyOf, packageOf } from '../../../test/support/registries/publishing.ts'
import type { CatalogNode } from '../api.ts'
import type { FoundValue } from '../host/host.ts'
import { createMemoryNetwork } from '../host/memory-host.ts'
import { createNode, type NodeDependencies } from '../node.ts'
import { keyIdOf } from '../signing/key-id.ts'
import { HEAD_VALUE_PREFIX, headKeyOf, headValueKey } from './head-key.ts'

const HOUR_MS = 3_600_000
const NAME = '@acme/tool'
const key = keyOf('ann')
const published = { name: NAME, publisher: keyIdOf(key.publicKey) }
const VALUE_KEY = headValueKey(headKeyOf(published))

/** A publisher, and machines that have its head, by whether they trust it. */
async function world(trusting: readonly boolean[], { isLarge } = { isLarge: false }) {
  const clock = createFakeClock()
  const network = createMemoryNetwork({ clock })
  const start = async (name: string, trusts: boolean): Promise<CatalogNode> => {
    const node = await createNode(
      { network: { peerExchange: false }, transfer: { fleet: false } },
      { host: network.createHost(name), clock, trustsPublisher: () => trusts },
    )
    onTestFinished(() => node.close())
    return node
  }
  const author = await start('author', true)
  const signal = new AbortController().signal
  for (let minor = 0; minor < (isLarge ? 9 : 1); minor += 1) {
    const version = `1.${minor}.0`
    await author.publications.publish(packageOf(NAME, version), key, { signal })
    if (!isLarge) continue
    const deprecations = { [version]: 'long '.repeat(200) }
    await author.publications.change(NAME, { deprecations }, { key, signal })
  }
  for (const [index, trusts] of trusting.entries()) {
    const reader = await start(`reader-${index}`, trusts)
    await reader.connect('/memory/author')
    await clock.advanceUntil(() => (reader.peers()[0]?.names ?? 0) > 0, { maxMs: 10_000 })
    expect(await reader.publications.head(published, { signal })).toBeDefined()
  }
  // Whoever asks the DHT, and nobody else.
  const stranger = network.createHost('stranger')
  stranger.routing?.acceptValues({ prefix: HEAD_VALUE_PREFIX, validate: () => {}, select: () => 0 })
  await stranger.start()
  onTestFinished(() => stranger.stop())
  const find = async () => {
    let last: FoundValue | undefined
    for await (const found of stranger.routing?.findValue(VALUE_KEY, { signal }) ?? []) last = found
    return last
  }
  return { author, clock, find, start }
}

test('a head outlives its publisher as long as somebody who trusts it runs', async () => {
  const { author, clock, find, start } = await world([true])
  await author.close()
  for (let day = 0; day < 4; day += 1) {
    await clock.advance(24 * HOUR_MS)
    expect(await find()).toBeDefined()
  }
  const late = await start('late', true)
  const { signal } = new AbortController()
  expect((await late.publications.head(published, { signal }))?.sequence).toBe(1)
})

test('a head that nobody trusts is gone two days after its publisher', async () => {
  const { author, clock, find } = await world([false])
  await author.close()
  await clock.advance(47 * HOUR_MS)
  expect(await find()).toBeDefined()
  await clock.advance(2 * HOUR_MS)
  expect(await find()).toBeUndefined()
})

test('of many who could, no more put it than it needs', async () => {
  const { clock, find } = await world([true, true, true, true, true])
  await clock.advance(3 * HOUR_MS)
  // The publisher, and two that have found fewer than three servers with it.
  expect((await find())?.heldMs).toHaveLength(3)
})

test('a head that is larger than a value is kept by the pointer that its publisher has signed', async () => {
  const { author, clock, find } = await world([true], { isLarge: true })
  expect((await find())?.value.byteLength).toBeLessThan(8 * 1024)
  await clock.advance(3 * HOUR_MS)
  await author.close()
  await clock.advance(90 * HOUR_MS)
  expect(await find()).toBeDefined()
})

test('what is called private is told to nobody from the next start, whoever has published it', async () => {
  const path = await mkdtemp(join(tmpdir(), 'catalog-heads-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  const clock = createFakeClock()
  let network = createMemoryNetwork({ clock })
  const { signal } = new AbortController()
  const start = async (name: string, deps: NodeDependencies = {}) =>
    await createNode(
      { network: { peerExchange: false }, store: { path: join(path, name) } },
      { host: network.createHost(name), clock, trustsPublisher: () => true, ...deps },
    )
  const author = await start('author')
  await author.publications.publish(packageOf(NAME, '1.0.0'), key, { signal })
  const before = author.publications.offered(published)
  const copier = await start('copier')
  copier.publications.take(published, before ?? new Uint8Array())
  await Promise.all([author.close(), copier.close()])

  network = createMemoryNetwork({ clock })
  const rules: NodeDependencies = {
    isPrivateName: (name) => name === NAME,
    judgeVisibility: () => 'private',
  }
  const stranger = await start('stranger')
  const again = [await start('author', rules), await start('copier', rules)]
  for (const node of [stranger, ...again]) onTestFinished(() => node.close())
  await Promise.all(['author', 'copier'].map((name) => stranger.connect(`/memory/${name}`)))
  await clock.advance(26 * HOUR_MS)
  expect(stranger.peers().map(({ names }) => names)).toEqual([0, 0])
  expect(await stranger.publications.head(published, { signal })).toBeUndefined()
  for (const { publications } of again) {
    expect(publications.knownHead(published)?.sequence).toBe(1)
    expect(publications.offered(published)).toBeUndefined()
    expect(publications.told()).toEqual([])
  }
})
