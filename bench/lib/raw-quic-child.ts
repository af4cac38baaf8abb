/** The ceiling: a bare libp2p QUIC stream with the read size of a node; nothing is verified or stored. */
import { createLibp2p, type Libp2p } from 'libp2p'
import { quic } from '@chainsafe/libp2p-quic'
import { multiaddr } from '@multiformats/multiaddr'
import { applyQuicReadSize } from '../../core/src/host/libp2p/quic-read-size.ts'
import { answerCalls, cpuMs } from './child.ts'

const PROTOCOL = '/catalog-bench/raw/1.0.0'
const BLOCK = Buffer.alloc(1024 * 1024, 7)
let node: Libp2p | undefined

answerCalls(
  {
    async start(ipv4: string) {
      await applyQuicReadSize()
      node = await createLibp2p({
        addresses: { listen: [`/ip4/${ipv4}/udp/0/quic-v1`] },
        transports: [quic()],
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
      return { addresses: node.getMultiaddrs().map(String) }
    },
    async get({ address, bytes }: { address: string; bytes: number }) {
      if (node === undefined) throw new Error('start first')
      const cpuBefore = cpuMs()
      const stream = await node.dialProtocol(multiaddr(address), PROTOCOL)
      const startedMs = performance.now()
      const ask = Buffer.alloc(4)
      ask.writeUInt32BE(bytes)
      stream.send(ask)
      let got = 0
      for await (const part of stream) got += part.byteLength
      const ms = performance.now() - startedMs
      if (got !== bytes) throw new Error(`got ${got} of ${bytes} bytes`)
      await stream.close()
      return { bytes: got, ms, cpuMs: cpuMs() - cpuBefore }
    },
  },
  async () => {
    await node?.stop()
  },
)
