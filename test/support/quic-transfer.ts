/**
 * Sends 8 MiB over a QUIC stream between two libp2p nodes of this process, then resets a stream in the middle, and prints
 * what the receiver saw. Run by quic-read-size.test.ts with `repaired` or `as shipped`.
 */
import { randomBytes } from 'node:crypto'
import { quic } from '@chainsafe/libp2p-quic'
import { createLibp2p } from 'libp2p'
import type { Stream } from '@libp2p/interface'
import { applyQuicReadSize } from '../../core/src/host/libp2p/quic/quic-read-size.ts'

const PROTOCOL = '/catalog-test/transfer/1'
const TOTAL_BYTES = 8 * 1024 * 1024

const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
const create = (): ReturnType<typeof createLibp2p> =>
  createLibp2p({ addresses: { listen }, transports: [quic()] })

if (process.argv[2] === 'repaired' && !(await applyQuicReadSize())) {
  throw new Error('the native stream class was not found')
}
const [sender, receiver] = await Promise.all([create(), create()])
const address = receiver.getMultiaddrs()[0]
if (address === undefined) throw new Error('the receiver does not listen')

const whole = await receive(async (stream) => {
  for (let sent = 0; sent < TOTAL_BYTES; sent += 65_536) {
    if (!stream.send(randomBytes(65_536))) await stream.onDrain()
  }
  await stream.close()
})
const cut = await receive(async (stream, received) => {
  stream.send(randomBytes(1000))
  await received
  stream.abort(new Error('reset on purpose'))
})
console.log(JSON.stringify({ ...whole, afterReset: cut.end }))
await Promise.all([sender.stop(), receiver.stop()])

interface Received {
  readonly receivedBytes: number
  readonly largestRead: number
  readonly end: 'ended' | 'failed'
}

async function receive(
  send: (stream: Stream, received: Promise<void>) => Promise<void>,
): Promise<Received> {
  const end = Promise.withResolvers<Received['end']>()
  const first = Promise.withResolvers<void>()
  let receivedBytes = 0
  let largestRead = 0
  await receiver.handle(
    PROTOCOL,
    (stream) => {
      stream.addEventListener('message', ({ data }) => {
        receivedBytes += data.byteLength
        largestRead = Math.max(largestRead, data.byteLength)
        first.resolve()
      })
      stream.addEventListener('remoteCloseWrite', () => end.resolve('ended'))
      stream.addEventListener('close', ({ error }) => end.resolve(error ? 'failed' : 'ended'))
    },
    { force: true },
  )
  if (address === undefined) throw new Error('unreachable')
  const stream = await sender.dialProtocol(address, PROTOCOL)
  await send(stream, first.promise)
  return { end: await end.promise, receivedBytes, largestRead }
}
