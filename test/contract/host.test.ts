/** The Host contract on all hosts: in memory, and libp2p over real loopback QUIC and TCP. */
import { systemClock } from '../../core/src/timing/clock.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { createMemoryNetwork } from '../../core/src/host/memory-host.ts'
import { DEFAULT_MAX_UNREAD_BYTES } from '../../core/src/host/libp2p/stream-registry.ts'
import { silentLogger } from '../../core/src/log.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import type { HostWorld } from './host-pairs.ts'
import { hostStreamsContract } from './host-streams.contract.ts'
import { hostContract } from './host.contract.ts'

const MEMORY_BOUND = 2 * 1024 * 1024

function memoryWorld(latencyMs: number): HostWorld {
  const network = createMemoryNetwork({ latencyMs, maxInboundBytes: MEMORY_BOUND })
  return {
    createHost: () => network.createHost(),
    transport: 'memory',
    maxInboundBytes: MEMORY_BOUND,
  }
}

function libp2pWorld(transport: string, network: NodeOptions['network']): HostWorld {
  const options = parseNodeOptions({ network: { port: 0, loopbackOnly: true, ...network } })
  return {
    createHost: () =>
      createLibp2pHost(
        { log: silentLogger, clock: systemClock, random: Math.random },
        { network: options.network, path: undefined },
      ),
    transport,
    maxInboundBytes: DEFAULT_MAX_UNREAD_BYTES,
  }
}

const WORLDS: Readonly<Record<string, () => HostWorld>> = {
  'in memory': () => memoryWorld(0),
  'in memory, 3 ms away': () => memoryWorld(3),
  'libp2p over QUIC': () => libp2pWorld('quic', { tcp: false }),
  'libp2p over TCP': () => libp2pWorld('tcp', { quic: false }),
}

for (const [name, createWorld] of Object.entries(WORLDS)) {
  hostContract(name, createWorld)
  hostStreamsContract(name, createWorld)
}
