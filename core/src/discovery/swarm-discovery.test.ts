import { afterEach, describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import type { Host } from '../host/host.ts'
import { createMemoryNetwork } from '../host/memory-host.ts'
import { silentLogger } from '../log.ts'
import { INVENTORY_PROTOCOL } from '../wire/inventory-messages.ts'
import { createSwarmDiscovery, type SwarmDiscovery } from './swarm-discovery.ts'

const digest = (name: string): Digest => digestOf(Buffer.from(name))
const signal = AbortSignal.timeout(60_000)
const everything = { peerExchange: true, dht: true, targetPeers: 30 }

interface Node {
  readonly host: Host
  readonly discovery: SwarmDiscovery
  readonly misbehaved: string[]
}

const clock = createFakeClock()
let nodes: Node[] = []

function createNetwork(): (name: string, options?: typeof everything) => Promise<Node> {
  const network = createMemoryNetwork({ clock })
  return async (name, options = everything) => {
    const host = network.createHost(name)
    const misbehaved: string[] = []
    const onMisbehaviour = (peer: string, reason: string): void => {
      misbehaved.push(`${peer} ${reason}`)
    }
    const deps = { host, clock, random: Math.random, log: silentLogger, onMisbehaviour }
    const discovery = createSwarmDiscovery(deps, options)
    await host.start()
    await discovery.start()
    const node = { host, discovery, misbehaved }
    nodes.push(node)
    return node
  }
}

afterEach(async () => {
  await Promise.all(nodes.map(({ discovery }) => discovery.stop()))
  await Promise.all(nodes.map(({ host }) => host.stop()))
  nodes = []
  await clock.advance(0)
  expect(clock.sleepers).toBe(0)
})

const found = async (node: Node, name: string): Promise<string[]> => {
  const peers: string[] = []
  for await (const peer of node.discovery.search(digest(name), { signal })) peers.push(peer)
  return peers
}

describe('swarm discovery', () => {
  it('finds beyond the swarm what was announced there', async () => {
    const add = createNetwork()
    const [a, b] = [await add('a'), await add('b')]
    const far = await add('far')
    await a.host.connect('b', { signal })
    await far.host.connect('b', { signal })
    await clock.advance(100)
    far.discovery.announce(digest('x'))
    await clock.advance(1000)
    await far.host.disconnect('b')
    expect(b.discovery.holders(digest('x'))).toEqual([])
    expect(await found(a, 'x')).toEqual(['far'])
    await clock.advanceUntil(() => a.discovery.holders(digest('x')).length === 1, { maxMs: 1000 })
  })

  it('leaves the DHT alone when told to', async () => {
    const add = createNetwork()
    const a = await add('a', { ...everything, dht: false })
    const b = await add('b')
    await a.host.connect('b', { signal })
    a.discovery.announce(digest('x'))
    b.discovery.announce(digest('y'))
    await clock.advance(60_000)
    expect(a.discovery.stats().announceBacklog).toBe(0)
    expect(b.discovery.holders(digest('x'))).toEqual(['a'])
    expect(await found(b, 'x')).toEqual([])
    expect(await found(a, 'y')).toEqual([])
  })

  it('neither asks for peers nor tells of any when told not to', async () => {
    const add = createNetwork()
    const options = { ...everything, peerExchange: false }
    const [a, b, c] = [await add('a'), await add('b', options), await add('c')]
    await a.host.connect('b', { signal })
    await c.host.connect('b', { signal })
    await clock.advance(600_000)
    expect(a.host.isConnected('c')).toBe(false)
    expect(b.host.peers()).toHaveLength(2)
  })

  it('reports misbehaviour, and says how much a peer lists', async () => {
    const add = createNetwork()
    const [a, b] = [await add('a'), await add('b')]
    await a.host.connect('b', { signal })
    b.discovery.announce(digest('x'))
    await clock.advance(1000)
    expect(a.discovery.inventoryCounts('b').artifacts).toBe(1)
    expect(a.discovery.inventoryCounts('nobody').artifacts).toBe(0)
    const stream = await b.host.open('a', INVENTORY_PROTOCOL, { signal })
    await stream.write(Buffer.from('not a frame, not at all'))
    await clock.advance(10)
    expect(a.misbehaved).toHaveLength(1)
    expect(a.discovery.inventoryCounts('b').artifacts).toBe(0)
  })

  it('starts again after a stop', async () => {
    const add = createNetwork()
    const [a, b] = [await add('a'), await add('b')]
    await a.host.connect('b', { signal })
    a.discovery.announce(digest('x'))
    await clock.advance(1000)
    await a.discovery.stop()
    await clock.advance(1000)
    expect(b.discovery.holders(digest('x'))).toEqual([])
    await a.discovery.start()
    await clock.advance(1000)
    expect(b.discovery.holders(digest('x'))).toEqual(['a'])
  })
})
