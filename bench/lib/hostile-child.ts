/** Peers without manners, as a child process: bare libp2p over TCP, each with an id of its own, all from one address. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { parseDigest } from '../../core/src/content/digest.ts'
import { encodeRequest, TRANSFER_PROTOCOL } from '../../core/src/wire/transfer-messages.ts'
import { answerCalls } from './child.ts'

const STREAMS = 4
const DIAL_MS = 10_000
const nodes: Libp2p[] = []

async function join(address: string, from: string): Promise<Libp2p> {
  const dialOpts = { noDelay: true, localAddress: from }
  const node = await createLibp2p({
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
  })
  nodes.push(node)
  await node.dial(multiaddr(address), { signal: AbortSignal.timeout(DIAL_MS) })
  return node
}

/** Asks on four streams until so many bytes are sent or it is thrown out, and lets the transport take no answer. */
async function askWithoutReading(node: Libp2p, digest: string, bytes: number): Promise<void> {
  const [connection] = node.getConnections()
  if (connection === undefined) return
  const asking = Array.from({ length: STREAMS }, async () => {
    const stream = await connection.newStream(TRANSFER_PROTOCOL)
    stream.pause()
    stream.send(encodeRequest({ type: 'hello', version: 1, encodings: [] }))
    for (let id = 0, sent = 0; sent < bytes && stream.status === 'open';) {
      const request = (): Uint8Array =>
        encodeRequest({ type: 'want', id: id++, digest: parseDigest(digest) })
      const batch = Buffer.concat(Array.from({ length: 200 }, request))
      stream.send(batch)
      sent += batch.byteLength
      await new Promise(setImmediate)
    }
  })
  await Promise.allSettled(asking)
}

answerCalls(
  {
    /** So many ids dial from one address; how many were let in to begin with. */
    async crowd(at: { address: string; from: string; ids: number }) {
      let joined = 0
      for (let id = 0; id < at.ids; id++) {
        joined += await join(at.address, at.from).then(
          () => 1,
          () => 0,
        )
      }
      return joined
    },
    /** One more id at an address of its own. Milliseconds until it is in and has stayed for an answer to a ping's time. */
    async joinAlone(at: { address: string; from: string }) {
      const startedMs = performance.now()
      const node = await join(at.address, at.from)
      const ms = performance.now() - startedMs
      return { ms, id: node.peerId.toString() }
    },
    async silentReaders(at: {
      address: string
      from: string
      ids: number
      digest: string
      bytes: number
    }) {
      const readers: Libp2p[] = []
      for (let id = 0; id < at.ids; id++) readers.push(await join(at.address, at.from))
      await Promise.all(readers.map((node) => askWithoutReading(node, at.digest, at.bytes)))
    },
  },
  async () => {
    await Promise.allSettled(nodes.map(async (node) => node.stop()))
  },
)
