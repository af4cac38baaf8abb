/**
 * Peers that stop in the middle: of a handshake, of a conversation, of a dial. Nobody else is kept waiting by them, and a
 * node that is closed among them is closed in time. (That `close` has a deadline at all: core/src/lifecycle.test.ts.)
 */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CatalogNode } from '../../core/src/api.ts'
import { createNode } from '../../core/src/node.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import { blob } from '../support/blobs.ts'
import { QUIC_LOOPBACK } from '../support/hostile-peer.ts'
import { until } from '../support/until.ts'

const NODE = fileURLToPath(new URL('../support/node-process.ts', import.meta.url))
/** A handshake that is never completed ends after this time. */
const HANDSHAKE_MS = 10_000
/** What `close` promises, and a little for a busy machine. */
const CLOSE_MS = 20_000
const nobody = '12D3KooWPNy7baEeyUa5jGH64Y7ALxcE2CWQWkG6T1Dva6ytFx6q'

type Network = NonNullable<NodeOptions['network']>
const TRANSPORTS: Readonly<Record<'quic' | 'tcp', Network>> = {
  quic: { ...QUIC_LOOPBACK, dht: true, peerExchange: true },
  tcp: { ...QUIC_LOOPBACK, dht: true, peerExchange: true, quic: false, tcp: true },
}

async function startNode(network: Network): Promise<CatalogNode> {
  const node = await createNode({ network, transfer: { chunkSize: 64 * 1024 } })
  onTestFinished(() => node.close())
  return node
}

function addressOf(node: CatalogNode): string {
  const [address] = node.stats().addresses
  if (address === undefined) throw new Error('the node listens nowhere')
  return address
}

const portOf = (address: string): number => Number(address.split('/')[4])

/** Dials it over a network that lets the first packet through and nothing after it. */
async function dialHalf(node: CatalogNode): Promise<void> {
  const port = portOf(addressOf(node))
  const relay = createSocket('udp4')
  const passed = Promise.withResolvers<void>()
  relay.once('message', (packet) => relay.send(packet, port, '127.0.0.1', () => passed.resolve()))
  relay.bind(0, '127.0.0.1')
  await once(relay, 'listening')
  onTestFinished(() => void relay.close())
  const dialer = await startNode(TRANSPORTS.quic)
  const dialing = dialer.connect(addressOf(node).replace(`/${port}/`, `/${relay.address().port}/`))
  dialing.catch(() => undefined) // it can't succeed
  await passed.promise
}

test('handshakes left half done keep nobody else out', async () => {
  const node = await startNode(TRANSPORTS.quic)
  for (let dials = 0; dials < 5; dials++) await dialHalf(node)
  const other = await startNode(TRANSPORTS.quic)
  const signal = AbortSignal.timeout(HANDSHAKE_MS * 0.8)
  // A busy machine may need more than the second that one dial gets.
  while (other.peers().length === 0) {
    signal.throwIfAborted()
    await other.connect(addressOf(node), { signal }).catch(() => undefined)
  }
  expect(other.peers().map(({ peer }) => peer)).toEqual([node.id])
})

test('a hundred handshakes left half done keep nobody out either, while they last', async () => {
  const node = await startNode(TRANSPORTS.quic)
  const dialer = await startNode({ ...TRANSPORTS.quic, maxConnections: 500 })
  const port = portOf(addressOf(node))
  let passed = 0
  let firstAtMs = Infinity
  for (let dials = 0; dials < 100; dials++) {
    const relay = createSocket('udp4')
    relay.once('message', (packet) => {
      relay.send(packet, port, '127.0.0.1')
      passed += 1
      firstAtMs = Math.min(firstAtMs, performance.now())
    })
    relay.bind(0, '127.0.0.1')
    await once(relay, 'listening')
    onTestFinished(() => void relay.close())
    // Without a peer id: dials of one peer would be joined.
    dialer.connect(`/ip4/127.0.0.1/udp/${relay.address().port}/quic-v1`).catch(() => undefined)
  }
  await until(() => passed >= 80)
  const other = await startNode(TRANSPORTS.quic)
  // The first place that one of them frees is free after that.
  const signal = AbortSignal.timeout(
    Math.round(HANDSHAKE_MS * 0.95 - (performance.now() - firstAtMs)),
  )
  while (other.peers().length === 0) {
    signal.throwIfAborted()
    await other.connect(addressOf(node), { signal }).catch(() => undefined)
  }
  expect(other.peers().map(({ peer }) => peer)).toEqual([node.id])
})

async function closeInTime(node: CatalogNode): Promise<void> {
  let isClosed = false
  void node.close().then(() => (isClosed = true))
  await until(() => isClosed, { deadlineMs: CLOSE_MS })
}

/** A process with a node that `node` is connected to and knows the artifacts of. */
async function startPeerProcess(node: CatalogNode, network: Network): Promise<number> {
  const child = spawn(process.execPath, [NODE, JSON.stringify(network)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL')) // a stopped process takes no other signal
  const signal = AbortSignal.timeout(30_000)
  const [line] = (await once(child.stdout, 'data', { signal })) as [Buffer]
  const [address = ''] = JSON.parse(line.toString()) as string[]
  await node.connect(address)
  await until(() => node.peers().some(({ artifacts }) => artifacts === 2))
  if (child.pid === undefined) throw new Error('the peer has no process')
  return child.pid
}

/** Takes what is sent to it, and says nothing: a UDP socket, and a TCP one that accepts. */
async function silentAddress(transport: 'quic' | 'tcp'): Promise<string> {
  if (transport === 'quic') {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    onTestFinished(() => void socket.close())
    return `/ip4/127.0.0.1/udp/${socket.address().port}/quic-v1/p2p/${nobody}`
  }
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${nobody}`
}

describe.each(['quic', 'tcp'] as const)('a node is closed in time, over %s', (transport) => {
  const network = TRANSPORTS[transport]
  // Windows has no signal that stops a process and lets it live.
  const isUnix = process.platform !== 'win32'
  if (!isUnix) console.warn('skipped: a peer whose process is stopped (no SIGSTOP on Windows)')

  test.skipIf(!isUnix)('while it loads from a peer whose process is stopped', async () => {
    const node = await startNode(network)
    const pid = await startPeerProcess(node, network)
    process.kill(pid, 'SIGSTOP')
    const wanted = [blob(3 * 1024 * 1024, 1), blob(50_000, 2)]
    const asked = Promise.allSettled(wanted.map(({ digest }) => node.get(digest)))
    // More news for the peer than fits into one batch: its inventory stream is busy too.
    for (let id = 0; id < 500; id++) await node.put(Buffer.from(`news ${id}`))
    await closeInTime(node)
    expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  test('while it dials one that says nothing', async () => {
    const node = await startNode(network)
    const dialing = node.connect(await silentAddress(transport))
    const ended = expect(dialing).rejects.toThrow()
    await closeInTime(node)
    await ended
  })

  test('while it is dialled by one that says nothing more', async () => {
    const node = await startNode(network)
    if (transport === 'quic') {
      await dialHalf(node)
    } else {
      const socket = connect(portOf(addressOf(node)), '127.0.0.1')
      socket.on('error', () => undefined)
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
    }
    await closeInTime(node)
  })
})
