/**
 * What every Discovery does. Called by each implementation's test with a way to make a swarm of nodes that are all connected
 * to each other.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { digestOf, type Digest } from '../../core/src/content/digest.ts'
import type { Discovery } from '../../core/src/discovery/discovery.ts'
import type { PeerId } from '../../core/src/host/host.ts'

export interface DiscoveryNode {
  readonly id: PeerId
  readonly discovery: Discovery
}

export interface DiscoverySwarm {
  /** Started, and connected to each other. */
  readonly nodes: readonly DiscoveryNode[]
  /** Adds a node that joins later; `discovery` is not started and connected until `join` is called. */
  late(): Promise<{ readonly node: DiscoveryNode; join(): Promise<void> }>
  stop(): Promise<void>
}

const digest = (name: string): Digest => digestOf(Buffer.from(name))

/** Announcements take their time; nothing here takes as long as this. */
const eventually = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 10_000, interval: 5 })

const signal = (): AbortSignal => AbortSignal.timeout(10_000)

async function collect(found: AsyncIterable<PeerId>): Promise<PeerId[]> {
  const peers: PeerId[] = []
  for await (const peer of found) peers.push(peer)
  return peers
}

export function discoveryContract(
  name: string,
  createSwarm: (size: number) => Promise<DiscoverySwarm>,
): void {
  describe(`Discovery contract: ${name}`, () => {
    let swarm: DiscoverySwarm | undefined
    afterEach(async () => {
      await swarm?.stop()
      swarm = undefined
    })

    async function swarmOf(size: number): Promise<DiscoveryNode[]> {
      swarm = await createSwarm(size)
      return [...swarm.nodes]
    }

    function nodeAt(nodes: readonly DiscoveryNode[], index: number): DiscoveryNode {
      const node = nodes[index]
      if (node === undefined) throw new Error(`no node ${index}`)
      return node
    }

    it('knows nobody that holds what nobody announced', async () => {
      const nodes = await swarmOf(2)
      expect(nodeAt(nodes, 0).discovery.holders(digest('nothing'))).toEqual([])
    })

    it('tells all the others what one announces, and nobody else', async () => {
      const nodes = await swarmOf(3)
      const [a, b, c] = [nodeAt(nodes, 0), nodeAt(nodes, 1), nodeAt(nodes, 2)]
      a.discovery.announce(digest('x'))
      await eventually(() => {
        expect(b.discovery.holders(digest('x'))).toEqual([a.id])
        expect(c.discovery.holders(digest('x'))).toEqual([a.id])
      })
      expect(a.discovery.holders(digest('x'))).toEqual([])
      expect(b.discovery.holders(digest('y'))).toEqual([])
    })

    it('knows all that hold it', async () => {
      const nodes = await swarmOf(3)
      const [a, b, c] = [nodeAt(nodes, 0), nodeAt(nodes, 1), nodeAt(nodes, 2)]
      a.discovery.announce(digest('x'))
      b.discovery.announce(digest('x'))
      await eventually(() => {
        expect([...c.discovery.holders(digest('x'))].sort()).toEqual([a.id, b.id].sort())
        expect(a.discovery.holders(digest('x'))).toEqual([b.id])
      })
    })

    it('takes back what is withdrawn, however often it was announced', async () => {
      const nodes = await swarmOf(2)
      const [a, b] = [nodeAt(nodes, 0), nodeAt(nodes, 1)]
      a.discovery.announce(digest('x'))
      a.discovery.announce(digest('x'))
      await eventually(() => expect(b.discovery.holders(digest('x'))).toEqual([a.id]))
      a.discovery.withdraw(digest('x'))
      await eventually(() => expect(b.discovery.holders(digest('x'))).toEqual([]))
    })

    it('withdrawing what was not announced changes nothing', async () => {
      const nodes = await swarmOf(2)
      const [a, b] = [nodeAt(nodes, 0), nodeAt(nodes, 1)]
      a.discovery.announce(digest('x'))
      a.discovery.withdraw(digest('y'))
      await eventually(() => expect(b.discovery.holders(digest('x'))).toEqual([a.id]))
      expect(a.discovery.stats().announced).toBe(1)
    })

    it('the last word counts', async () => {
      const nodes = await swarmOf(2)
      const [a, b] = [nodeAt(nodes, 0), nodeAt(nodes, 1)]
      for (let i = 0; i < 25; i += 1) {
        a.discovery.announce(digest('x'))
        a.discovery.withdraw(digest('x'))
        a.discovery.withdraw(digest('y'))
        a.discovery.announce(digest('y'))
      }
      await eventually(() => expect(b.discovery.holders(digest('y'))).toEqual([a.id]))
      expect(b.discovery.holders(digest('x'))).toEqual([])
    })

    it('tells a node that joins later, and is told by it', async () => {
      const nodes = await swarmOf(2)
      const a = nodeAt(nodes, 0)
      a.discovery.announce(digest('x'))
      const late = await swarm?.late()
      if (late === undefined) throw new Error('no swarm')
      late.node.discovery.announce(digest('y'))
      await late.join()
      await eventually(() => {
        expect(late.node.discovery.holders(digest('x'))).toEqual([a.id])
        expect(a.discovery.holders(digest('y'))).toEqual([late.node.id])
      })
    })

    it('forgets a node that stops', async () => {
      const nodes = await swarmOf(3)
      const [a, b, c] = [nodeAt(nodes, 0), nodeAt(nodes, 1), nodeAt(nodes, 2)]
      a.discovery.announce(digest('x'))
      b.discovery.announce(digest('x'))
      await eventually(() => expect(c.discovery.holders(digest('x'))).toHaveLength(2))
      await a.discovery.stop()
      await eventually(() => expect(c.discovery.holders(digest('x'))).toEqual([b.id]))
      expect(a.discovery.holders(digest('x'))).toEqual([])
    })

    it('finds by searching what was announced', async () => {
      const nodes = await swarmOf(2)
      const [a, b] = [nodeAt(nodes, 0), nodeAt(nodes, 1)]
      a.discovery.announce(digest('x'))
      await eventually(() => expect(a.discovery.stats().announceBacklog).toBe(0))
      await eventually(() => expect(b.discovery.holders(digest('x'))).toEqual([a.id]))
      expect(await collect(b.discovery.search(digest('x'), { signal: signal() }))).toEqual([a.id])
    })

    it('ends a search for what nobody has', async () => {
      const nodes = await swarmOf(2)
      const found = nodeAt(nodes, 0).discovery.search(digest('nothing'), { signal: signal() })
      expect(await collect(found)).toEqual([])
    })

    it('counts', async () => {
      const nodes = await swarmOf(3)
      const a = nodeAt(nodes, 0)
      a.discovery.announce(digest('x'))
      a.discovery.announce(digest('x'))
      a.discovery.announce(digest('y'))
      expect(a.discovery.stats().announced).toBe(2)
      await eventually(() => {
        expect(a.discovery.stats().inventories).toBe(2)
        expect(a.discovery.stats().announceBacklog).toBe(0)
      })
    })

    it('may be stopped twice, and asked after', async () => {
      const nodes = await swarmOf(2)
      const a = nodeAt(nodes, 0)
      await a.discovery.stop()
      await a.discovery.stop()
      a.discovery.announce(digest('x'))
      a.discovery.withdraw(digest('x'))
      expect(a.discovery.holders(digest('x'))).toEqual([])
      expect(await collect(a.discovery.search(digest('x'), { signal: signal() }))).toEqual([])
    })
  })
}
