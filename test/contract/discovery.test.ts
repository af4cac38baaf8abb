/** Both discoveries against the one contract. */
import { systemClock } from '../../core/src/timing/clock.ts'
import {
  createMemoryDirectory,
  createMemoryDiscovery,
} from '../../core/src/discovery/memory-discovery.ts'
import { createSwarmDiscovery } from '../../core/src/discovery/swarm-discovery.ts'
import type { Host } from '../../core/src/host/host.ts'
import { createMemoryNetwork } from '../../core/src/host/memory-host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { discoveryContract, type DiscoveryNode } from './discovery.contract.ts'

discoveryContract('memory', async (size) => {
  const directory = createMemoryDirectory()
  const nodes: DiscoveryNode[] = []
  const add = (): DiscoveryNode => {
    const id = `peer-${nodes.length}`
    const node = { id, discovery: createMemoryDiscovery(directory, id) }
    nodes.push(node)
    return node
  }
  for (let i = 0; i < size; i += 1) await add().discovery.start()
  return {
    nodes: [...nodes],
    async late() {
      const node = add()
      return { node, join: () => node.discovery.start() }
    },
    async stop() {
      for (const { discovery } of nodes) await discovery.stop()
    },
  }
})

for (const options of [
  { peerExchange: true, dht: true, targetPeers: 30 },
  { peerExchange: true, dht: true, targetPeers: 30, latencyMs: 5 },
]) {
  const { latencyMs = 0 } = options
  discoveryContract(`swarm, ${latencyMs} ms apart`, async (size) => {
    const network = createMemoryNetwork({ latencyMs })
    const nodes: (DiscoveryNode & { readonly host: Host })[] = []
    const add = async (): Promise<(typeof nodes)[number]> => {
      const host = network.createHost()
      const misbehaved = (peer: string, reason: string): void => {
        throw new Error(`${peer} is not hostile: ${reason}`)
      }
      const discovery = createSwarmDiscovery(
        {
          host,
          clock: systemClock,
          random: Math.random,
          log: silentLogger,
          onMisbehaviour: misbehaved,
        },
        options,
      )
      const node = { id: host.id, discovery, host }
      nodes.push(node)
      return node
    }
    const join = async (node: (typeof nodes)[number]): Promise<void> => {
      await node.host.start()
      await node.discovery.start()
      for (const other of nodes) {
        if (other === node) break
        await node.host.connect(other.id, { signal: AbortSignal.timeout(10_000) })
      }
    }
    for (let i = 0; i < size; i += 1) await join(await add())
    return {
      nodes: [...nodes],
      async late() {
        const node = await add()
        return { node, join: () => join(node) }
      },
      async stop() {
        for (const { discovery } of nodes) await discovery.stop()
        for (const { host } of nodes) await host.stop()
      },
    }
  })
}
