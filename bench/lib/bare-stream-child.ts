/** The ceiling: one bare stream of a carrier, with the read size of a node; nothing is verified or stored. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { applyQuicReadSize } from '../../core/src/host/libp2p/quic/quic-read-size.ts'
import { answerCalls, cpuMs } from './child.ts'

export type Carrier = 'quic' | 'tcp' | 'tls'

const PROTOCOL = '/catalog-bench/raw/1.0.0'
const BLOCK = Buffer.alloc(1024 * 1024, 7)
const PSK = { identity: 'bench', psk: Buffer.alloc(32, 7) }
const TLS = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const

let node: Libp2p | undefined
let server: Server | undefined

answerCalls(
  {
    async start({ ipv4, carrier }: { ipv4: string; carrier: Carrier }) {
      if (carrier === 'tls') return { addresses: [await serveTls(ipv4)] }
      return { addresses: await serveLibp2p(ipv4, carrier) }
    },
    async get({ address, bytes }: { address: string; bytes: number }) {
      const cpuBefore = cpuMs()
      const { ms, got } = await (address.startsWith('tls ') ? getByTls : getByLibp2p)(
        address,
        bytes,
      )
      if (got !== bytes) throw new Error(`got ${got} of ${bytes} bytes`)
      return { bytes: got, ms, cpuMs: cpuMs() - cpuBefore }
    },
    cpu: () => cpuMs(),
  },
  async () => {
    await node?.stop()
    server?.close()
  },
)

async function serveLibp2p(ipv4: string, carrier: 'quic' | 'tcp'): Promise<string[]> {
  await applyQuicReadSize()
  const listen = carrier === 'quic' ? `/ip4/${ipv4}/udp/0/quic-v1` : `/ip4/${ipv4}/tcp/0`
  node = await createLibp2p({
    addresses: { listen: [listen] },
    transports: [carrier === 'quic' ? quic() : tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
  await node.handle(PROTOCOL, async (stream) => {
    let left = 0
    for await (const ask of stream) {
      left = Buffer.from(ask.subarray()).readUInt32BE(0)
      break
    }
    while (left > 0) {
      const block = BLOCK.subarray(0, Math.min(left, BLOCK.byteLength))
      left -= block.byteLength
      if (!stream.send(block)) await stream.onDrain()
    }
    await stream.close()
  })
  return node.getMultiaddrs().map(String)
}

async function getByLibp2p(address: string, bytes: number): Promise<{ ms: number; got: number }> {
  if (node === undefined) throw new Error('start first')
  const stream = await node.dialProtocol(multiaddr(address), PROTOCOL)
  const startedMs = performance.now()
  stream.send(lengthBytes(bytes))
  let got = 0
  for await (const part of stream) got += part.byteLength
  const ms = performance.now() - startedMs
  await stream.close()
  return { ms, got }
}

async function serveTls(ipv4: string): Promise<string> {
  const pskCallback = (): Uint8Array => PSK.psk
  server = createServer({ ...TLS, pskCallback }, (socket) => {
    socket.once('data', (ask: Buffer) => void sendBlocks(socket, ask.readUInt32BE(0)))
  })
  server.listen(0, ipv4)
  await once(server, 'listening')
  return `tls ${ipv4} ${(server.address() as AddressInfo).port}`
}

async function sendBlocks(socket: TLSSocket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= BLOCK.byteLength) {
    if (!socket.write(BLOCK.subarray(0, Math.min(left, BLOCK.byteLength)))) {
      await once(socket, 'drain')
    }
  }
  socket.end()
}

async function getByTls(address: string, bytes: number): Promise<{ ms: number; got: number }> {
  const [, host = '', port] = address.split(' ')
  const socket = connect({ ...TLS, host, port: Number(port), pskCallback: () => PSK })
  await once(socket, 'secureConnect')
  const startedMs = performance.now()
  socket.write(lengthBytes(bytes))
  let got = 0
  socket.on('data', (part: Buffer) => (got += part.byteLength))
  await once(socket, 'end')
  return { ms: performance.now() - startedMs, got }
}

function lengthBytes(bytes: number): Buffer {
  const ask = Buffer.alloc(4)
  ask.writeUInt32BE(bytes)
  return ask
}
