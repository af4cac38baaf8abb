import { afterEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf, digestToBytes, type Digest } from '../../content/digest.ts'
import type { Host, PeerId, ContentRouting } from '../../host/host.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../host/memory-host.ts'
import { silentLogger } from '../../log.ts'
import { ProviderSearch } from './provider-search.ts'

const digest = (name: string): Digest => digestOf(Buffer.from(name))
const signal = AbortSignal.timeout(60_000)

interface World {
  readonly clock: FakeClock
  readonly network: MemoryNetwork
  readonly self: Host
  readonly search: ProviderSearch
  readonly lookups: string[]
  provider(name: string, digest: Digest): Promise<Host>
}

let world: World
afterEach(async () => {
  await world.search.stop()
  await world.clock.advance(0)
  expect(world.clock.sleepers).toBe(0)
})

async function createWorld(hang = false): Promise<World> {
  const clock = createFakeClock()
  const network = createMemoryNetwork({ clock })
  const self = network.createHost('self')
  await self.start()
  const real = self.routing
  if (real === undefined) throw new Error('memory hosts have routing')
  const lookups: string[] = []
  const routing: ContentRouting = {
    provide: real.provide,
    withdraw: real.withdraw,
    async *findProviders(key, options) {
      lookups.push(Buffer.from(key).toString('hex'))
      yield* real.findProviders(key, options)
      if (hang) await clock.sleep(3_600_000, options.signal)
    },
  }
  const search = new ProviderSearch({ host: self, routing, clock, log: silentLogger })
  search.start()
  return {
    clock,
    network,
    self,
    search,
    lookups,
    async provider(name, of) {
      const host = network.createHost(name)
      await host.start()
      await host.routing?.provide(digestToBytes(of), { signal })
      return host
    },
  }
}

async function collect(found: AsyncIterable<PeerId>): Promise<PeerId[]> {
  const peers: PeerId[] = []
  for await (const peer of found) peers.push(peer)
  return peers.sort()
}

/** Somebody to ask; without anybody a search says nothing about who holds what. */
async function neighbour(): Promise<void> {
  const host = world.network.createHost('neighbour')
  await host.start()
  await host.connect('self', { signal })
}

describe('ProviderSearch', () => {
  it('yields providers, connected', async () => {
    world = await createWorld()
    await world.provider('a', digest('x'))
    await world.provider('b', digest('x'))
    await world.provider('c', digest('other'))
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual(['a', 'b'])
    expect(world.self.isConnected('a')).toBe(true)
    expect(world.self.isConnected('c')).toBe(false)
  })

  it('yields neither itself nor those that do not answer', async () => {
    world = await createWorld()
    await world.self.routing?.provide(digestToBytes(digest('x')), { signal })
    await world.provider('a', digest('x'))
    const gone = await world.provider('gone', digest('x'))
    await gone.stop()
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual(['a'])
  })

  it('asks once for many', async () => {
    world = await createWorld()
    await world.provider('a', digest('x'))
    const searches = Array.from({ length: 10 }, () =>
      collect(world.search.search(digest('x'), { signal })),
    )
    expect(await Promise.all(searches)).toEqual(searches.map(() => ['a']))
    expect(world.lookups).toHaveLength(1)
  })

  it('remembers for a while that nobody was found', async () => {
    world = await createWorld()
    await neighbour()
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual([])
    await world.provider('a', digest('x'))
    await world.clock.advance(29_000)
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual([])
    expect(world.lookups).toHaveLength(1)
    await world.clock.advance(2000)
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual(['a'])
  })

  it('does not take having nobody to ask for nobody having it', async () => {
    world = await createWorld()
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual([])
    await world.provider('a', digest('x'))
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual(['a'])
  })

  it('ends when the caller aborts, others go on', async () => {
    world = await createWorld(true)
    await neighbour()
    const leaving = new AbortController()
    const mine = collect(world.search.search(digest('x'), { signal: leaving.signal }))
    const theirs = collect(world.search.search(digest('x'), { signal }))
    await world.clock.advance(100)
    leaving.abort(new Error('enough'))
    await expect(mine).rejects.toThrow('enough')
    await world.clock.advance(31_000)
    expect(await theirs).toEqual([])
    expect(world.lookups).toHaveLength(1)
  })

  it('stops asking when nobody wants to know any more', async () => {
    world = await createWorld(true)
    const leaving = new AbortController()
    const mine = collect(world.search.search(digest('x'), { signal: leaving.signal }))
    await world.clock.advance(100)
    leaving.abort(new Error('enough'))
    await expect(mine).rejects.toThrow('enough')
    await world.clock.advance(0)
    expect(world.clock.sleepers).toBe(0)
  })

  it('ends by its own deadline, and yields meanwhile what it has', async () => {
    world = await createWorld(true)
    await world.provider('a', digest('x'))
    const found: PeerId[] = []
    const searching = (async () => {
      for await (const peer of world.search.search(digest('x'), { signal })) found.push(peer)
    })()
    await world.clock.advanceUntil(() => found.length === 1, { maxMs: 100 })
    await world.clock.advance(31_000)
    await searching
  })

  it('does not wait longer than its deadline for a provider', async () => {
    world = await createWorld()
    await world.provider('slow', digest('x'))
    world.network.setHostLatency('slow', 60_000)
    const searching = collect(world.search.search(digest('x'), { signal }))
    await world.clock.advance(6000)
    expect(await searching).toEqual([])
  })

  it('ends for all when stopped', async () => {
    world = await createWorld(true)
    const searching = collect(world.search.search(digest('x'), { signal }))
    await world.clock.advance(100)
    await world.search.stop()
    expect(await searching).toEqual([])
    expect(await collect(world.search.search(digest('x'), { signal }))).toEqual([])
  })
})
