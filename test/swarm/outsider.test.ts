/**
 * A private swarm over real QUIC and TCP on loopback: members meet; an outsider, which is a plain libp2p node that speaks all
 * protocols of libp2p and ours, gets nothing, is not believed, and is gone. What it received is looked at.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CatalogNode } from '../../core/src/api.ts'
import {
  MEMBERSHIP_TIMEOUT_MS,
  type ByteStream,
  type Host,
  type Membership,
  type PeerId,
} from '../../core/src/host/host.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { createNode } from '../../core/src/node.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import { createSwarmKey, type SwarmKey } from '../../core/src/swarm/swarm-key.ts'
import { createSwarm, type Swarm } from '../../core/src/swarm/swarm.ts'
import { systemClock, type Clock } from '../../core/src/timing/clock.ts'
import { isCode } from '../contract/host-pairs.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { QUIC_LOOPBACK } from '../support/hostile-peer.ts'
import { readAll } from '../support/read-all.ts'
import { until } from '../support/until.ts'

const OURS = '/catalog-test/secret/1'
/** What libp2p and this project's nodes answer, and the question for the list of it all. */
const PROTOCOLS = [
  ...[OURS, '/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0', '/ipfs/ping/1.0.0'],
  ...['/catalog/kad/1.0.0', '/libp2p/circuit/relay/0.2.0/hop', 'ls'],
]

type Network = NonNullable<NodeOptions['network']>
const LOOPBACK: Network = { ...QUIC_LOOPBACK, dht: true, bootstrapServer: true, relayServer: true }
const TRANSPORTS: Readonly<Record<'quic' | 'tcp', Network>> = {
  quic: LOOPBACK,
  tcp: { ...LOOPBACK, quic: false, tcp: true },
}
/** Waits a moment where a member would wait long. */
const impatient: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms === MEMBERSHIP_TIMEOUT_MS ? 200 : ms, signal),
}

async function startNode(network: Network, key?: SwarmKey): Promise<CatalogNode> {
  const swarm = key && { state: () => ({ name: 'test', keys: [{ key }] }) }
  const node = await createNode({ network, transfer: { chunkSize: 64 * 1024 } }, { swarm })
  onTestFinished(() => node.close())
  return node
}

interface Watched {
  readonly host: Host
  /** Peers that any listener has heard of. */
  readonly heardOf: string[]
  readonly log: ReturnType<typeof createCollectingLogger>
}

async function startHost(network: Network, membership: Membership): Promise<Watched> {
  const log = createCollectingLogger()
  const host = createLibp2pHost(
    { log, clock: impatient, random: Math.random, membership },
    { network: parseNodeOptions({ network }).network, path: undefined },
  )
  const heardOf: string[] = []
  host.onEvent(({ peer }) => heardOf.push(peer))
  host.handle(OURS, () => void heardOf.push('a stream'), { maxStreamsPerPeer: 4 })
  await host.start()
  onTestFinished(() => host.stop())
  return { host, heardOf, log }
}

function memberOf(key: SwarmKey): Swarm {
  return createSwarm({ clock: systemClock, state: () => ({ name: 'test', keys: [{ key }] }) })
}

/** Speaks as it likes where a member would prove itself; what it hears is kept. */
function attacker(
  say: (stream: ByteStream, heard: readonly Buffer[]) => Promise<void>,
): Membership & { heard: Buffer[] } {
  const heard: Buffer[] = []
  const hear = async (stream: ByteStream): Promise<void> => {
    for await (const bytes of stream.source) heard.push(Buffer.from(bytes))
  }
  return {
    heard,
    async prove(stream) {
      await Promise.all([say(stream, heard), hear(stream)])
      return true
    },
    lanSeals: () => [],
  }
}

/** Of another make: not this project's host, nor anything of it. */
async function startOutsider(transport: 'quic' | 'tcp'): Promise<Libp2p> {
  const outsider = await createLibp2p({
    addresses: {
      listen: [transport === 'quic' ? '/ip4/127.0.0.1/udp/0/quic-v1' : '/ip4/127.0.0.1/tcp/0'],
    },
    transports: [transport === 'quic' ? quic() : tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), ping: ping() },
  })
  onTestFinished(() => outsider.stop())
  return outsider
}

/** What identify would have told: protocols, the name and version of the software, addresses that are signed. */
async function learnedOf(host: { readonly id: PeerId }, outsider: Libp2p): Promise<string[]> {
  const id = peerIdFromString(host.id)
  if (!(await outsider.peerStore.has(id))) return []
  const { protocols, metadata, peerRecordEnvelope } = await outsider.peerStore.get(id)
  const own = /^last-dial-/
  const told = [...metadata.keys()].filter((name) => !own.test(name))
  return [...protocols, ...told, ...(peerRecordEnvelope ? ['a record'] : [])]
}

const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) })
const refused = expect.toSatisfy(isCode('PEER_REFUSED'))

const addressOf = ({ addresses }: { addresses: readonly string[] }): string => {
  const [address] = addresses
  if (address === undefined) throw new Error('it listens nowhere')
  return address
}

describe.each(['quic', 'tcp'] as const)('a private swarm over %s', (transport) => {
  const network = TRANSPORTS[transport]

  test('members meet, and one gets from the other', async () => {
    const key = createSwarmKey()
    const [a, b] = [await startNode(network, key), await startNode(network, key)]
    const digest = await a.put(Buffer.from('of the swarm'), { visibility: 'public' })
    await b.connect(addressOf(a.stats()))
    await until(() => b.peers().some(({ artifacts }) => artifacts > 0))
    const { body } = await b.get(digest)
    expect((await readAll(body)).toString()).toBe('of the swarm')
    expect(a.peers().map(({ peer }) => peer)).toEqual([b.id])
  })

  test('another libp2p node gets no protocol answered, is told nothing, and is gone', async () => {
    const { host, heardOf, log } = await startHost(network, memberOf(createSwarmKey()))
    const outsider = await startOutsider(transport)
    const identified: unknown[] = []
    outsider.addEventListener('peer:identify', ({ detail }) => identified.push(detail))
    for (const protocol of PROTOCOLS) {
      const connection = await outsider.dial(multiaddr(addressOf({ addresses: host.addresses() })))
      const signal = AbortSignal.timeout(10_000)
      await expect(connection.newStream([protocol], { signal })).rejects.toThrow()
      await until(() => connection.status !== 'open')
      expect(signal.aborted).toBe(false)
    }
    expect(await learnedOf(host, outsider)).toEqual([])
    expect(identified).toEqual([])
    expect({ heardOf, peers: host.peers() }).toEqual({ heardOf: [], peers: [] })
    expect(log.lines.map(({ event }) => event)).toContain('swarm.outsider-refused')
  })

  test('the same node learns all of that where there is no private swarm', async () => {
    const open = await startNode(network)
    const outsider = await startOutsider(transport)
    const identified = once(outsider, 'peer:identify')
    await outsider.dial(multiaddr(addressOf(open.stats())))
    await identified
    expect(await learnedOf(open, outsider)).toEqual(
      expect.arrayContaining(['/catalog/transfer/3.0.0', 'AgentVersion', 'a record']),
    )
  })

  test('bytes that prove nothing are not answered with a byte', async () => {
    const { host } = await startHost(network, memberOf(createSwarmKey()))
    const outsider = attacker((stream) =>
      stream.write(Buffer.from('\x13/multistream/1.0.0\n\x03ls\n')),
    )
    const { host: from } = await startHost(network, outsider)
    const dialling = from.connect(addressOf({ addresses: host.addresses() }), deadline())
    await expect(dialling).rejects.toEqual(refused)
    expect(Buffer.concat(outsider.heard).byteLength).toBe(0)
  })

  test('who knows another key hears random bytes and a proof it can do nothing with', async () => {
    const { host, heardOf } = await startHost(network, memberOf(createSwarmKey()))
    const outsider = attacker(async (stream, heard) => {
      const hello = Buffer.concat([Buffer.from([0, 0, 0, 34, 1, 0]), randomBytes(32)])
      await stream.write(hello)
      // The false proof ends the connection, and what has not been read of it is lost.
      await until(() => heard.length > 0)
      await stream.write(Buffer.concat([Buffer.from([0, 0, 0, 17, 0]), randomBytes(16)]))
    })
    const { host: from, heardOf: outside } = await startHost(network, outsider)
    const dialling = from.connect(addressOf({ addresses: host.addresses() }), deadline())
    await expect(dialling).rejects.toEqual(refused)
    expect(Buffer.concat(outsider.heard).byteLength).toBe(4 + 32 + 1 + 2 + 16)
    expect({ heardOf, outside }).toEqual({ heardOf: [], outside: [] })
  })

  test('one that says nothing is gone when its time is up', async () => {
    const { host, heardOf } = await startHost(network, memberOf(createSwarmKey()))
    const outsider = await startOutsider(transport)
    const connection = await outsider.dial(multiaddr(addressOf({ addresses: host.addresses() })))
    await until(() => connection.status !== 'open')
    expect(heardOf).toEqual([])
  })

  test('a member that dials an outsider tells it nothing, and believes nothing', async () => {
    const { host, heardOf } = await startHost(network, memberOf(createSwarmKey()))
    const outsider = await startOutsider(transport)
    const [address] = outsider.getMultiaddrs()
    const dialling = host.connect(String(address), deadline())
    await expect(dialling).rejects.toEqual(refused)
    await until(() => outsider.getConnections().length === 0)
    expect(await host.addressesOf(outsider.peerId.toString())).toEqual([])
    expect({ heardOf, peers: host.peers() }).toEqual({ heardOf: [], peers: [] })
    expect(await learnedOf(host, outsider)).toEqual([])
  })

  test('outsiders take no place of a member', async () => {
    const key = createSwarmKey()
    const { host, heardOf } = await startHost({ ...network, maxConnections: 2 }, memberOf(key))
    const address = multiaddr(addressOf({ addresses: host.addresses() }))
    const outsiders = await Promise.all(Array.from({ length: 4 }, () => startOutsider(transport)))
    await Promise.all(outsiders.map((outsider) => outsider.dial(address)))
    const { host: member } = await startHost(network, memberOf(key))
    await member.connect(address.toString(), deadline())
    await until(() => heardOf.length > 0)
    expect(heardOf).toEqual([member.id])
  })
})
