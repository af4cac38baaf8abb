/** The routing contract on both hosts: in memory, and libp2p's DHT on loopback. */
import { afterEach } from 'vitest'
import type { Host } from '../../core/src/host/host.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { createMemoryNetwork } from '../../core/src/host/memory-host.ts'
import { silentLogger } from '../../core/src/log.ts'
import { parseNodeOptions } from '../../core/src/options.ts'
import { systemClock } from '../../core/src/timing/clock.ts'
import { addressOf, deadline } from './host-pairs.ts'
import { routingContract } from './routing.contract.ts'

const made: Host[] = []
afterEach(async () => {
  for (const host of made.splice(0)) await host.stop()
})

function hostsOf(count: number, create: () => Host): { hosts: Host[]; start: () => Promise<void> } {
  const hosts = Array.from({ length: count }, create)
  made.push(...hosts)
  return {
    hosts,
    async start() {
      for (const host of hosts) await host.start()
      for (const host of hosts) {
        for (const other of hosts) {
          if (other !== host) await host.connect(addressOf(other), deadline())
        }
      }
    },
  }
}

routingContract('in memory', (count) => {
  const network = createMemoryNetwork()
  return hostsOf(count, () => network.createHost())
})

routingContract('libp2p', (count) => {
  const { network } = parseNodeOptions({
    network: { port: 0, loopbackOnly: true, bootstrapServer: true, mdns: false },
  })
  return hostsOf(count, () =>
    createLibp2pHost(
      { log: silentLogger, clock: systemClock, random: Math.random },
      { network, path: undefined },
    ),
  )
})
