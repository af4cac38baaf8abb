/**
 * What others can take of a host, with real connections: many ids of one address, silent ones, and what an honest peer at
 * another address gets beside them. Addresses are those of 127.0.0.0/8; no network of this machine's, as the hosts see it.
 */
import { connect, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../../test/support/until.ts'
import { systemClock } from '../../../timing/clock.ts'
import { silentLogger } from '../../../log.ts'
import { parseNodeOptions, type NodeOptions } from '../../../options.ts'
import type { Host } from '../../host.ts'
import { hostLimits } from './host-limits.ts'
import { createLibp2pHost } from '../libp2p-host.ts'

// Linux answers on all of 127.0.0.0/8; elsewhere an administrator adds addresses one by one.
const hasLoopbackNet = process.platform === 'linux'
if (!hasLoopbackNet) console.log('skipped: strangers by address, because only 127.0.0.1 is here')

const ATTACKER = '127.0.0.66'
const HONEST = '127.0.0.7'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A host on loopback that takes everybody for a stranger, of whom it sees the address. */
async function victim(network: NodeOptions['network']): Promise<Host> {
  const { network: parsed } = parseNodeOptions({
    network: { port: 0, family: 'ipv4', mdns: false, dht: false, quic: false, ...network },
  })
  const host = createLibp2pHost(
    { log: silentLogger, clock: systemClock, random: Math.random, isLocal: () => false },
    // Only listens there: whoever comes is not believed to be alone with us.
    { network: { ...parsed, upnp: false }, path: undefined },
  )
  cleanups.push(() => host.stop())
  await host.start()
  return host
}

/** A bare libp2p node of its own id that dials from this address. */
async function bareNode(from: string): Promise<Libp2p> {
  const dialOpts = { noDelay: true, localAddress: from }
  const node = await createLibp2p({
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
  })
  cleanups.push(() => node.stop())
  return node
}

function tcpAddressOf(host: Host): { port: number; text: string } {
  const text = host.addresses().find((address) => address.includes('/tcp/'))
  const port = Number(/\/tcp\/(\d+)/.exec(text ?? '')?.[1])
  return { port, text: `/ip4/127.0.0.1/tcp/${port}/p2p/${host.id}` }
}

async function dial(node: Libp2p, host: Host, timeoutMs = 10_000): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs)
  await node.dial(multiaddr(tcpAddressOf(host).text), { signal })
}

function isIn(host: Host, node: Libp2p): boolean {
  return host.isConnected(node.peerId.toString())
}

describe.runIf(hasLoopbackNet)('limits by address', () => {
  it('many ids of one address get a share, and an honest peer gets in', async () => {
    const host = await victim({ maxConnections: 16 })
    const ids = await Promise.all(Array.from({ length: 40 }, () => bareNode(ATTACKER)))
    await Promise.allSettled(ids.map((node) => dial(node, host)))
    const honest = await bareNode(HONEST)
    await dial(honest, host)
    await until(() => isIn(host, honest))
    expect(host.peers().filter(({ group }) => group === ATTACKER).length).toBeLessThanOrEqual(4)
    expect(isIn(host, honest)).toBe(true)
  })

  it('a full house makes room for a newcomer at the cost of the address with the most', async () => {
    const host = await victim({ maxConnections: 16 })
    const addresses = ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4']
    for (const address of addresses) {
      for (let n = 0; n < 4; n += 1) {
        await dial(await bareNode(address), host).catch(() => undefined)
      }
    }
    await until(() => host.peers().length === 14)
    const honest = await bareNode(HONEST)
    await dial(honest, host)
    await until(() => isIn(host, honest))
    await until(() => host.peers().length <= 14)
    expect(isIn(host, honest)).toBe(true)
  })

  it('silent TCP connections of one address keep nobody out', async () => {
    const host = await victim({})
    const { port } = tcpAddressOf(host)
    const sockets: Socket[] = []
    cleanups.push(() => sockets.forEach((socket) => socket.destroy()))
    let closed = 0
    for (let n = 0; n < 150; n += 1) {
      const socket = connect({ host: '127.0.0.1', port, localAddress: ATTACKER })
      socket.on('error', () => undefined)
      socket.on('close', () => (closed += 1))
      socket.resume()
      sockets.push(socket)
    }
    // All but its eight are hung up on.
    await until(() => closed >= 142)
    const honest = await bareNode(HONEST)
    await dial(honest, host, 5_000)
    await until(() => isIn(host, honest))
    expect(isIn(host, honest)).toBe(true)
  })
})

describe('behind a gateway that hides who comes', () => {
  const limits = hostLimits({
    maxConnections: 16,
    loopbackOnly: false,
    isLocal: () => false,
    isGateway: (ip) => ip === '172.17.0.1' || ip === 'fd00::1',
  })
  const groupOf = (address: string, peer?: string): string =>
    limits.groupOf(multiaddr(address), peer)

  it.each(['/ip4/172.17.0.1/tcp/1', '/ip6/fd00::1/udp/1/quic-v1'])(
    'each peer counts for itself: %s',
    (address) => {
      expect(groupOf(address, 'a')).not.toBe(groupOf(address, 'b'))
      expect(groupOf('/ip4/172.17.0.2/tcp/1', 'a')).toBe(groupOf('/ip4/172.17.0.2/tcp/1', 'b'))
    },
  )

  it('but those behind a relay there are one group, as behind any relay', () => {
    const relayed =
      '/ip4/172.17.0.1/tcp/1/p2p/12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6/p2p-circuit'
    expect(groupOf(relayed, 'a')).toBe(groupOf(relayed, 'b'))
  })

  it('no handshake waits for another of the same address', () => {
    const { ofGroup, total } = limits.handshakes
    expect(ofGroup(groupOf('/ip4/172.17.0.1/tcp/1'))).toBe(total)
    expect(ofGroup(groupOf('/ip4/172.17.0.2/tcp/1'))).toBeLessThan(total)
  })
})
