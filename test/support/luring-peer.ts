/**
 * A peer that lures others, as a program of its own: libp2p as it comes, without our rules. It says of itself, as a DHT server of others,
 * and in datagrams of multicast DNS, that they are at the addresses that it is given.
 */
import { hash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { PeerId } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { digestOf, digestToBytes } from '../../core/src/content/digest.ts'
import { encodeLanAnswer } from '../../core/src/host/lan/lan-messages.ts'
import { DHT_PROTOCOL } from '../../core/src/host/libp2p/libp2p-services.ts'
import { serveLines } from './json-lines.ts'

const [ownAddress = '', lures = ''] = process.argv.slice(2)
const addresses = lures.split(' ')
const SHA2_256 = 0x12

const libp2p = await createLibp2p({
  addresses: { listen: [ownAddress], announce: [ownAddress, ...addresses] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    dht: kadDHT({
      protocol: DHT_PROTOCOL,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
    }),
  },
})

async function stranger(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

interface ProviderTable {
  addProvider(cid: CID, provider: PeerId): Promise<void>
}

await serveLines({
  address: () => `${ownAddress}/p2p/${libp2p.peerId.toString()}`,
  /** As a DHT server: a stranger at the lures, and we ourselves, have the artifact. */
  async provide(text) {
    const key = hash('sha256', digestToBytes(digestOf(Buffer.from(text))), 'buffer')
    const cid = CID.createV1(raw.code, createMultihash(SHA2_256, key))
    const table = Reflect.get(libp2p.services.dht, 'providers') as ProviderTable
    const other = await stranger()
    await libp2p.peerStore.merge(other, { multiaddrs: addresses.map((each) => multiaddr(each)) })
    await table.addProvider(cid, other)
    return other.toString()
  },
  /** In our own words, to the node that asks nobody: a provider record of ours is stored there with the lures. */
  async record(text) {
    const key = hash('sha256', digestToBytes(digestOf(Buffer.from(text))), 'buffer')
    const cid = CID.createV1(raw.code, createMultihash(SHA2_256, key))
    let taken = 0
    for await (const event of libp2p.services.dht.provide(cid)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') taken += 1
    }
    return taken
  },
  /** Multicast DNS to one machine: "to from|-": a stranger is at the lures. */
  async lan(destination) {
    const [to = '', from] = destination.split(' ')
    const other = await stranger()
    const socket = createSocket('udp4')
    socket.bind({ address: from ?? '0.0.0.0' })
    await once(socket, 'listening')
    const told = addresses.map((each) => `${each}/p2p/${other.toString()}`)
    for (const one of told) {
      await new Promise((resolve) => socket.send(encodeLanAnswer('lure', [one]), 5353, to, resolve))
    }
    socket.close()
    return other.toString()
  },
  /** "own target": a neighbour at `own` says truly where a peer is; resolves when somebody has come there. */
  async neighbour(argument) {
    const [own = '', to = ''] = argument.split(' ')
    const server = createServer((socket) => socket.destroy()).listen(7000, own)
    await once(server, 'listening')
    const visit = once(server, 'connection', { signal: AbortSignal.timeout(30_000) })
    const told = `/ip4/${own}/tcp/7000/p2p/${(await stranger()).toString()}`
    const socket = createSocket('udp4')
    socket.bind({ address: own })
    await once(socket, 'listening')
    socket.send(encodeLanAnswer('neighbour', [told]), 5353, to)
    await visit
    socket.close()
    server.close()
    return true
  },
  async hide() {
    await libp2p.stop()
    return true
  },
})
process.exit()
