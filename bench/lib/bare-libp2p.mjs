/** The least that a peer takes: a libp2p node that listens on QUIC, and says so. Copied to where its imports are found. */
import { quic } from '@chainsafe/libp2p-quic'
import { createLibp2p } from 'libp2p'

await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] },
  transports: [quic()],
})
process.stdout.write('ready\n')
