/**
 * A peer that only wants to know, as a program of its own: libp2p as it comes, over TCP. It dials whom it is told to, asks for every
 * protocol, and keeps every byte that it was sent, as it is once the connection's encryption has been taken off.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { ConnectionEncrypter, SecuredConnection } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { serveLines } from './json-lines.ts'

/** Of libp2p and of ours, and the question for the list of them all. */
const PROTOCOLS = [
  '/ipfs/id/1.0.0',
  '/ipfs/ping/1.0.0',
  '/catalog/kad/1.0.0',
  '/catalog/transfer/3.0.0',
  'ls',
]
const WAIT_MS = 5_000
const MAX_BYTES = 8 * 1024 * 1024

const heard: Buffer[] = []
let size = 0

function listening(secured: SecuredConnection): SecuredConnection {
  const { connection } = secured
  const dispatch = connection.dispatchEvent.bind(connection)
  connection.dispatchEvent = (event: Event) => {
    if (event.type === 'message' && 'data' in event && size < MAX_BYTES) {
      const data = event.data as { subarray(): Uint8Array }
      const bytes = Buffer.from(data.subarray())
      size += bytes.byteLength
      heard.push(bytes)
    }
    return dispatch(event)
  }
  return secured
}

const encrypter =
  (create: ReturnType<typeof noise>): typeof create =>
  (components) => {
    const inner = create(components)
    const outer: ConnectionEncrypter = {
      protocol: inner.protocol,
      secureInbound: async (...args) => listening(await inner.secureInbound(...args)),
      secureOutbound: async (...args) => listening(await inner.secureOutbound(...args)),
    }
    return Object.assign(Object.create(inner) as typeof inner, outer)
  }

const libp2p = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [encrypter(noise())],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false },
  services: { identify: identify(), ping: ping() },
})

await serveLines({
  /** Whether any protocol was answered there. */
  async knock(address) {
    let answered = 0
    for (const protocol of PROTOCOLS) {
      const signal = AbortSignal.timeout(WAIT_MS)
      try {
        const connection = await libp2p.dial(multiaddr(address), { signal })
        await connection.newStream([protocol], { signal })
        answered += 1
      } catch {
        // As it is to be.
      }
    }
    return answered
  },
  /** All of it, in base64. */
  heard: () => Buffer.concat(heard).toString('base64'),
})
process.exit()
